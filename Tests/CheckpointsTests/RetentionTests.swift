import Collectives
import Diagnostics
import Foundation
import ShardFiles
import TestSupport
import Testing

@testable import Checkpoints

@Suite struct RetentionTests {
  private static func manifests(_ values: [(step: Int, hours: Double, accuracy: Double?)]) -> [CheckpointManifest] {
    values.map { value in
      var manifest = CheckpointManifest(
        step: value.step, epoch: 0, batchesDone: 0, baseFingerprint: Hash128(high: 0, low: 0), tensors: [],
        metrics: value.accuracy.map { ["accuracy": $0] } ?? [:])
      manifest.writtenAt = value.hours * 3600
      return manifest
    }
  }

  private static let hourly = manifests((1...10).map { (100 * $0, Double($0), nil) })

  @Test func theLastAreKept() {
    #expect(CheckpointRetention(last: 3).expendable(Self.hourly) == [100, 200, 300, 400, 500, 600, 700])
    #expect(CheckpointRetention(last: 3).expendable(Self.hourly.reversed()).count == 7)
    #expect(CheckpointRetention(last: 10).expendable(Self.hourly) == [])
    #expect(CheckpointRetention(last: 1).expendable([]) == [])
  }

  @Test func multiplesAreKept() {
    #expect(CheckpointRetention(last: 1, everySteps: 300).expendable(Self.hourly) == [100, 200, 400, 500, 700, 800])
  }

  @Test func onePerSpanIsKept() {
    #expect(CheckpointRetention(last: 1, everyHours: 4).expendable(Self.hourly) == [200, 300, 400, 600, 700, 800])
  }

  @Test(
    arguments: [
      (true, [0.5, 0.9, 0.9, 0.1], 300), (false, [0.5, 0.9, 0.1, 0.1], 400), (true, [.nan, 0.2, .nan, .nan], 200),
    ] as [(Bool, [Double], Int)])
  func theBestIsKept(isHigherBetter: Bool, accuracies: [Double], best: Int) {
    let rated = accuracies.enumerated().map { (step: 100 * ($0 + 1), hours: 0.0, accuracy: Optional($1)) }
    let manifests = Self.manifests(rated + [(500, 0, nil), (600, 0, nil)])
    let rules = CheckpointRetention(last: 1, best: .init(metric: "accuracy", isHigherBetter: isHigherBetter))
    #expect(rules.expendable(manifests) == [100, 200, 300, 400, 500].filter { $0 != best })
  }

  @Test func deletionLeavesTheOthersAlone() throws {
    try withScratchFolder { folder in
      let run = SavedRun(count: 20, in: folder)
      for step in 1...5 { try run.save(step, metrics: ["accuracy": step == 2 ? 0.9 : 0.1]) }
      let rules = CheckpointRetention(last: 2, best: .init(metric: "accuracy", isHigherBetter: true))
      let deleted = try run.directory.applyRetention(rules)
      #expect(deleted == ["step-00000001", "step-00000003"])
      #expect(try run.names() == ["best", "latest", "step-00000002", "step-00000004", "step-00000005"])
      #expect(try run.directory.bestName() == "step-00000002")
      #expect(try run.directory.applyRetention(rules).isEmpty)
      for step in [2, 4, 5] { try Checkpoint(reading: run.folder(step)).verify(.frames) }
    }
  }

  @Test func protectedOnesStay() throws {
    try withScratchFolder { folder in
      let run = SavedRun(count: 20, in: folder)
      for step in 1...4 { try run.save(step) }
      let deleted = try run.directory.applyRetention(CheckpointRetention(last: 1), protecting: [2, 9])
      #expect(deleted == ["step-00000001", "step-00000003"])
      #expect(try run.directory.applyRetention(CheckpointRetention(last: 1)) == ["step-00000002"])
    }
  }

  /// The newest has the right sizes but a wrong hash: it must not make the one before it expendable.
  @Test func theOnlyGoodOneIsNeverDeleted() throws {
    try withScratchFolder { folder in
      let run = SavedRun(count: 20, in: folder)
      for step in 1...3 { try run.save(step) }
      for step in [2, 3] {
        var bytes = try Data(contentsOf: run.shard(0, of: 1, step: step))
        bytes[bytes.count - 1] ^= 1
        try bytes.write(to: run.shard(0, of: 1, step: step))
      }
      #expect(try run.directory.applyRetention(CheckpointRetention(last: 1)).isEmpty)
      #expect(try run.newestStep() == 1)
    }
  }

  @Test func whatLatestNamesIsKept() throws {
    try withScratchFolder { folder in
      let run = SavedRun(count: 20, in: folder)
      for step in [1, 3, 4, 2] { try run.save(step) }
      #expect(try run.directory.applyRetention(CheckpointRetention(last: 1)) == ["step-00000001", "step-00000003"])
      #expect(try run.names() == ["latest", "step-00000002", "step-00000004"])
    }
  }

  @Test func leftoversGoAndStrangersStay() throws {
    try withScratchFolder { folder in
      let run = SavedRun(count: 20, in: folder)
      try run.save(1)
      let leftovers = [".latest.5.partial", "step-00000002.deleting-b", "step-00000002.partial-a"]
      let strangers = ["notes.txt", "step-00000001.damaged-c", "step-2.partial-x"]
      for name in leftovers + strangers {
        let folder = run.folder.appendingPathComponent(name)
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: false)
        try Data("x".utf8).write(to: folder.appendingPathComponent("shard"))
      }
      let removed = try LoopbackWorld.run(size: 2) { try run.directory.prepare($0) }
      #expect(removed == [leftovers, []])
      #expect(try run.names() == (["latest", "step-00000001"] + strangers).sorted())
    }
  }
}
