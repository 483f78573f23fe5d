import Collectives
import Diagnostics
import Foundation
import ShardFiles
import Tensors
import TestSupport
import Testing

@testable import Checkpoints

@Suite struct SaveAndLoadTests {
  @Test(arguments: [0, 1, 2, 3, 64, 65, 1000])
  func savedAtFourRanksLoadedAtAny(count: Int) throws {
    try withScratchFolder { folder in
      let run = SavedRun(count: count, in: folder)
      try run.save(17, worldSize: 4)
      for worldSize in [1, 2, 3, 8] { #expect(try run.newestStep(worldSize: worldSize) == 17) }
    }
  }

  @Test func unevenAndEmptyShardsInAnyOrder() throws {
    try withScratchFolder { folder in
      var run = SavedRun(count: 300, in: folder)
      run.shares = [130..<300, 0..<1, 130..<130, 1..<130]
      try run.save(5, worldSize: 4)
      for worldSize in [1, 3, 4] { #expect(try run.newestStep(worldSize: worldSize) == 5) }
    }
  }

  /// A rank that owns a slice of each of several buckets brings several sections of one vector.
  @Test func severalSectionsOfAVectorInOneShard() throws {
    try withScratchFolder { folder in
      let run = SavedRun(count: 100, in: folder)
      let parts = [[0..<10, 50..<70], [10..<50, 70..<100]]
      _ = try LoopbackWorld.run(size: 2) { collectives in
        try run.directory.prepare(collectives)
        let draft = try #require(try run.directory.begin(step: 3, collectives))
        let sources = parts[collectives.rank].flatMap { part in
          [
            ShardSource("parameters", start: part.lowerBound, run.training.parameters(3).slice(part)),
            ShardSource("momentum", start: part.lowerBound, run.training.momentum(3).slice(part)),
          ]
        }
        try run.directory.commit(draft, shard: draft.writeShard(sources), manifest: run.manifest(3), collectives)
      }
      #expect(try run.newestStep(worldSize: 3) == 3)
    }
  }

  @Test func anyRankReadsTheRangeItNeeds() throws {
    try withScratchFolder { folder in
      let run = SavedRun(count: 500, in: folder)
      try run.save(9, worldSize: 3)
      let checkpoint = try Checkpoint(reading: run.folder(9))
      let expected = run.training.momentum(9)
      for range in [0..<500, 0..<0, 166..<168, 100..<400, 499..<500] {
        let values = Tensor(zeros: [range.count])
        try checkpoint.read("momentum", range, into: values.buffer)
        #expect(values.bits == expected.slice(range).bits)
      }
      let one = Tensor(zeros: [1])
      #expect(failure { try checkpoint.read("residual", 0..<1, into: one.buffer) }?.status == .badData)
      #expect(failure { try checkpoint.read("momentum", 500..<501, into: one.buffer) }?.status == .badData)
    }
  }

  /// A run that resumes has the base weights where the trained ones will be.
  @Test(arguments: [1, 3]) func theDestinationMayHoldTheBase(worldSize: Int) throws {
    try withScratchFolder { folder in
      let run = SavedRun(count: 500, in: folder)
      try run.save(9, worldSize: 2)
      let results = try LoopbackWorld.run(size: worldSize) { collectives in
        let values = run.training.base.copied()
        let checkpoint = try Checkpoint(reading: run.folder(9))
        try checkpoint.readAll("parameters", into: values.buffer, base: BaseValues(values), collectives)
        return values.bits
      }
      #expect(results.allSatisfy { $0 == run.training.parameters(9).bits })
    }
  }

  @Test func theRunOfAnotherSizeIsRefused() throws {
    try withScratchFolder { folder in
      let run = SavedRun(count: 50, in: folder)
      try run.save(1)
      let checkpoint = try Checkpoint(reading: run.folder(1))
      let small = Tensor(zeros: [49])
      let alone = LoopbackWorld.alone()
      let failure = failure { try checkpoint.readAll("momentum", into: small.buffer, alone) }
      #expect(failure?.problem == "the checkpoint holds 50 trained values, the run 49")
    }
  }

  @Test func theNewestIsFoundAndLatestPointsToIt() throws {
    try withScratchFolder { folder in
      let run = SavedRun(in: folder)
      #expect(try run.newestStep() == nil)
      for step in [8, 9, 10, 123_456_789] {
        try run.save(step, worldSize: 2)
        #expect(try run.newestStep() == step)
        #expect(try run.directory.latest(LoopbackWorld.alone()).manifest.step == step)
      }
      #expect(try run.names() == ["latest", "step-00000008", "step-00000009", "step-00000010", "step-123456789"])
    }
  }

  @Test func aStepThatIsSavedAlreadyIsKept() throws {
    try withScratchFolder { folder in
      let run = SavedRun(in: folder)
      try run.save(4, worldSize: 2, at: 1)
      let before = try snapshot(run.folder)
      try run.save(4, worldSize: 3, at: 2)
      #expect(try snapshot(run.folder) == before)
    }
  }

  @Test func aDamagedCheckpointOfTheStepIsMovedAside() throws {
    try withScratchFolder { folder in
      let run = SavedRun(in: folder)
      try run.save(4, worldSize: 2)
      try Data().write(to: run.shard(1, of: 2, step: 4))
      try run.save(4, worldSize: 2)
      #expect(try run.newestStep() == 4)
      #expect(try run.names().contains { $0.hasPrefix("step-00000004.damaged-") })
    }
  }

  @Test func anAbandonedDraftLeavesNothing() throws {
    try withScratchFolder { folder in
      let run = SavedRun(in: folder)
      _ = try LoopbackWorld.run(size: 3) { collectives in
        try run.directory.prepare(collectives)
        let draft = try #require(try run.directory.begin(step: 1, collectives))
        if collectives.rank != 1 { _ = draft.writeShard(run.sources(1, collectives)) }
        try run.directory.abandon(draft, collectives)
      }
      #expect(try run.names().isEmpty)
    }
  }

  /// Sections with a hole, overlapping, or beyond the vector are the caller's mistake; nothing appears.
  @Test(arguments: [[0..<100, 101..<200], [0..<101, 100..<200], [0..<100, 100..<199]])
  func sharesThatDoNotCoverTheVectorAreRefused(shares: [Range<Int>]) throws {
    try withScratchFolder { folder in
      var run = SavedRun(in: folder)
      run.shares = shares
      #expect(failure { try run.save(1, worldSize: 2) } != nil)
      let names = try run.names()
      #expect(names.isEmpty)
    }
  }

  @Test func anotherModelIsRefusedWithTheDifference() throws {
    let manifest = SavedRun(in: URL(fileURLWithPath: "/")).manifest(1)
    try manifest.checkFits(tensors: manifest.tensors, baseFingerprint: manifest.baseFingerprint, at: "x")
    var tensors = manifest.tensors
    tensors[1].name = "text.bias"
    let name = failure { try manifest.checkFits(tensors: tensors, baseFingerprint: manifest.baseFingerprint, at: "x") }
    #expect(name?.problem.contains("text.weight") == true && name?.problem.contains("text.bias") == true)
    let shorter = failure {
      try manifest.checkFits(
        tensors: Array(manifest.tensors.dropLast()), baseFingerprint: manifest.baseFingerprint, at: "x")
    }
    #expect(shorter?.problem == "the checkpoint trains 2 tensors, this run 1")
    let other = failure {
      try manifest.checkFits(tensors: manifest.tensors, baseFingerprint: Hash128(high: 0, low: 0), at: "x")
    }
    #expect(other?.problem.contains("other weights") == true)
  }

  @Test func theFingerprintSeesEveryValueNameAndShape() {
    let weights = Tensor((0..<12).map(Float.init), shape: [3, 4])
    let bias = Tensor([0, -1])
    let all: [[(name: String, values: Tensor)]] = [
      [("weight", weights), ("bias", bias)], [("weight", weights)],
      [("weight", weights), ("bias", Tensor([-0.0, -1]))],
      [("weight", weights.reshaped([4, 3])), ("bias", bias)], [("weights", weights), ("bias", bias)],
      [("bias", weights), ("weight", bias)],
    ]
    #expect(Set(all.map(BaseFingerprint.of)).count == all.count)
    #expect(BaseFingerprint.of(all[0]) == BaseFingerprint.of(all[0].reversed()))
  }
}

/// All files below a folder with their bytes.
func snapshot(_ folder: URL) throws -> [String: Data] {
  let names = try FileManager.default.subpathsOfDirectory(atPath: folder.path)
  return try Dictionary(
    uniqueKeysWithValues: names.map { name in
      let file = folder.appendingPathComponent(name)
      let isFolder = try file.resourceValues(forKeys: [.isDirectoryKey]).isDirectory == true
      return (name, isFolder ? Data() : try Data(contentsOf: file))
    })
}
