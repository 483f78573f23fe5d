import Collectives
import Diagnostics
import Foundation
import ShardFiles
import Tensors
import TestSupport
import Testing

@testable import Checkpoints

@Suite struct VectorTests {
  @Test(arguments: [1, 3]) func anyRangeInAnyOrder(worldSize: Int) throws {
    try withScratchFolder { folder in
      let run = SavedRun(count: 1000, in: folder)
      try run.save(4, worldSize: worldSize)
      let checkpoint = try Checkpoint(reading: run.folder(4))
      let vectors = try [
        (
          CheckpointVector("parameters", of: checkpoint, base: BaseValues(run.training.base)),
          run.training.parameters(4)
        ),
        (CheckpointVector("momentum", of: checkpoint), run.training.momentum(4)),
      ]
      var random = CounterRandom(seed: 8)
      for (vector, expected) in vectors {
        #expect(vector.count == 1000)
        for _ in 0..<300 {
          let ends = [0, 0].map { _ in random.integer(below: 1001) }.sorted()
          #expect(try vector.tensor(ends[0]..<ends[1]).bits == expected.slice(ends[0]..<ends[1]).bits)
        }
        try vector.forEachPiece(of: 0..<1000, size: 37) { part, values in
          #expect(values.bits == expected.slice(part).bits)
        }
      }
      #expect(failure { _ = try CheckpointVector("variance", of: checkpoint) }?.status == .badData)
      #expect(failure { _ = try vectors[1].0.tensor(0..<1001) }?.status == .badData)
    }
  }

  @Test func distances() throws {
    let first = Tensor([1, -2, 0, 4]), second = Tensor([1, -2.5, -0.0, 1])
    let distance = try VectorDistance(from: first, 0..<4, to: second, 0..<4)
    #expect(distance.count == 4 && distance.differing == 3 && distance.greatest == 3)
    #expect(distance.length == 9.25.squareRoot() && distance.firstLength == 21.0.squareRoot())
    #expect(distance.relative == (9.25 / 21).squareRoot())
    let window = try VectorDistance(from: first, 1..<3, to: second, 0..<2)
    #expect(window.greatest == 3 && window.count == 2)
    var sum = window
    sum.add(distance)
    #expect(sum.count == 6 && sum.differing == 5 && sum.greatest == 3)
    #expect(try VectorDistance(from: first, 0..<4, to: first, 0..<4).isZero)
    #expect(try VectorDistance(from: Tensor([0]), 0..<1, to: Tensor([1]), 0..<1).relative == .infinity)
  }

  @Test func whatIsNoNumberStays() throws {
    for values in [[Float.nan, 1, 2], [1, .nan, 2], [1, 2, .nan], [1, .infinity, .nan]] {
      let zeros = Tensor(zeros: [3])
      let distance = try VectorDistance(from: zeros, 0..<3, to: Tensor(values), 0..<3)
      #expect(distance.greatest.isNaN && distance.relative.isNaN)
      var sum = VectorDistance()
      sum.add(zeros, Tensor([5, 0, 0]))
      sum.add(distance)
      sum.add(zeros, Tensor([5, 0, 0]))
      #expect(sum.greatest.isNaN)
      let same = try VectorDistance(from: Tensor(values), 0..<3, to: Tensor(values), 0..<3)
      #expect(same.isZero, "equal bits are no difference")
    }
  }

  @Test func sizesAddUp() throws {
    try withScratchFolder { folder in
      let run = SavedRun(count: 1000, in: folder)
      try run.save(4, worldSize: 3)
      let manifest = try Checkpoint(reading: run.folder(4)).manifest
      let vectors = manifest.vectorNames.map { manifest.size(ofVector: $0).size }
      #expect(vectors.map(\.elements) == [1000, 1000] && vectors.map(\.rawByteCount) == [4000, 4000])
      let shards = (0..<3).map { manifest.size(ofShard: $0) }
      #expect(shards.reduce(0) { $0 + $1.byteCount } == manifest.byteCount)
      // A header of 16 bytes each.
      #expect(vectors.reduce(0) { $0 + $1.byteCount } == manifest.byteCount - 3 * 16)
      #expect(manifest.needsBase("parameters") && !manifest.needsBase("momentum"))
      for rank in 0..<3 {
        #expect(FileManager.default.fileExists(atPath: run.folder(4).path + "/" + manifest.shardName(rank)))
      }
    }
  }
}

@Suite struct FindingTests {
  @Test func aRunAFolderOfCheckpointsAndACheckpoint() throws {
    try withScratchFolder { folder in
      let run = SavedRun(in: folder)
      for step in [1, 2] { try run.save(step, worldSize: 2) }
      let alone = LoopbackWorld.alone()
      #expect(try Checkpoint.find(folder, alone).manifest.step == 2)
      #expect(try Checkpoint.find(run.folder, alone).manifest.step == 2)
      #expect(try Checkpoint.find(run.folder(1), alone).manifest.step == 1)
      let slash = URL(fileURLWithPath: run.folder(1).path + "/")
      #expect(try Checkpoint.find(slash, alone).manifest.step == 1)
      try run.directory.markBest(step: 1)
      for pointer in [folder, run.folder].map({ $0.appendingPathComponent("best") }) {
        #expect(try Checkpoint.find(pointer, alone).manifest.step == 1)
      }
      #expect(try Checkpoint.find(folder.appendingPathComponent("latest"), alone).manifest.step == 2)
      _ = try run.directory.supersede(after: 0)
      #expect(try run.directory.bestName() == nil, "it named one that is superseded")
      for step in [1, 2] { try run.save(step, worldSize: 2) }
      let renamed = folder.appendingPathComponent("best")
      try FileManager.default.copyItem(at: run.folder(1), to: renamed)
      #expect(try Checkpoint.find(renamed, alone).manifest.step == 1)
      let steps = try LoopbackWorld.run(size: 3) { try Checkpoint.find(folder, $0).manifest.step }
      #expect(steps == [2, 2, 2])
    }
  }

  @Test func damagedOnesArePassedOverOrNamed() throws {
    try withScratchFolder { folder in
      let run = SavedRun(in: folder)
      for step in [1, 2] { try run.save(step) }
      try Data().write(to: run.shard(0, of: 1, step: 2))
      let reports = Reports()
      let alone = LoopbackWorld.alone()
      #expect(try Checkpoint.find(folder, alone, passingOver: reports.add).manifest.step == 1)
      #expect(reports.all.count == 1)
      let named = failure { _ = try Checkpoint.find(run.folder(2), alone) }
      #expect(named?.status == .badData && named?.remedy == "use \(run.folder(1).path), which is whole")
    }
  }

  @Test func placesWithoutACheckpoint() throws {
    try withScratchFolder { folder in
      let alone = LoopbackWorld.alone()
      let file = folder.appendingPathComponent("file")
      try Data().write(to: file)
      let leftover = folder.appendingPathComponent("step-00000003.partial-x")
      let empty = folder.appendingPathComponent("run/checkpoints")
      for folder in [leftover, empty, folder.appendingPathComponent("step-00000009")] {
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
      }
      let cases: [(URL, Diagnostics.ExitStatus, String)] = [
        (folder.appendingPathComponent("nowhere"), .missingInput, "there is no such folder"),
        (file, .badData, "a checkpoint is a folder"), (leftover, .badData, "left this unfinished"),
        (folder.appendingPathComponent("run"), .missingInput, "there are no checkpoints"),
        (empty, .missingInput, "there is no checkpoint here"),
        (folder.appendingPathComponent("step-00000009"), .missingInput, "does not exist"),
      ]
      for (path, status, words) in cases {
        let failure = failure { _ = try Checkpoint.find(path, alone) }
        #expect(
          failure?.status == status && failure?.problem.contains(words) == true,
          "\(path.path): \(String(describing: failure))")
        #expect(failure?.remedy != nil)
      }
    }
  }

  @Test func factsTellStatesApart() throws {
    let manifest = SavedRun(in: URL(fileURLWithPath: "/nowhere")).manifest(14, metrics: ["loss": 0.5, "f1": 2])
    var other = manifest
    other.metrics = ["loss": 0.25, "accuracy": 1]
    other.state["identity"] = .object([.init("a.b", .string("x")), .init("c", .object([.init("d", .array([]))]))])
    let facts = CheckpointFacts(manifest)
    #expect(facts.progress.map(\.name) == ["step", "epoch", "batches_done", "base_fingerprint", "f1", "loss"])
    #expect(facts.state == [.init(name: "mask", value: "[true, false]"), .init(name: "seed", value: "\(Int.max)")])
    #expect(facts.differences(to: facts).isEmpty)
    var moved = manifest
    moved.state["provenance"] = .object([.init("ranks", .integer(4))])
    moved.state["configuration"] = .string("run_dir: elsewhere")
    #expect(
      CheckpointFacts(moved).differences(to: facts).isEmpty && facts.differences(to: CheckpointFacts(moved)).isEmpty)
    #expect(CheckpointFacts(moved).provenance == [.init(name: "provenance.ranks", value: "4")])
    var texts = [manifest, manifest]
    for (index, text) in ["{\"a\": 1, \"b\": {\"c\": 2}}", "{\"b\": {\"c\": 2}, \"a\": 1}"].enumerated() {
      texts[index].state["zero_shot"] = .string(text)
    }
    #expect(CheckpointFacts(texts[0]).differences(to: CheckpointFacts(texts[1])).isEmpty, "the order of members")
    texts[1].state["zero_shot"] = .string("{\"a\": 1, \"b\": {\"c\": 3}}")
    #expect(
      CheckpointFacts(texts[0]).differences(to: CheckpointFacts(texts[1]))
        == [.init(name: "zero_shot.b.c", first: "2", second: "3")])
    #expect(
      facts.differences(to: CheckpointFacts(other)) == [
        .init(name: "f1", first: "2.0", second: nil), .init(name: "loss", first: "0.5", second: "0.25"),
        .init(name: "accuracy", first: nil, second: "1.0"), .init(name: "identity.a.b", first: nil, second: "x"),
        .init(name: "identity.c.d", first: nil, second: "[]"),
      ])
  }
}
