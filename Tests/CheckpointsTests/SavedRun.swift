import Collectives
import Diagnostics
import Foundation
import ShardFiles
import StrictJSON
import Tensors
import TestSupport

@testable import Checkpoints

/// A sample training that is saved to and loaded from a folder.
struct SavedRun: Sendable {
  let training: SampleTraining
  let folder: URL
  /// Elements of each rank; even shares where nil.
  var shares: [Range<Int>]?

  init(count: Int = 200, in folder: URL) {
    training = SampleTraining(count: count)
    self.folder = folder.appendingPathComponent("checkpoints")
  }

  var directory: CheckpointDirectory { CheckpointDirectory(folder) }

  func folder(_ step: Int) -> URL { directory.folder(step: step) }

  func shard(_ rank: Int, of worldSize: Int, step: Int) -> URL {
    folder(step).appendingPathComponent(CheckpointName.shard(rank, of: worldSize))
  }

  func manifest(_ step: Int, metrics: [String: Double] = [:]) -> CheckpointManifest {
    let first = training.count / 3
    return CheckpointManifest(
      step: step, epoch: step / 10, batchesDone: step % 10,
      baseFingerprint: BaseFingerprint.of([("weights", training.base)]),
      tensors: [
        .init(name: "image.weight", shape: [first], range: 0..<first),
        .init(name: "text.weight", shape: [1, training.count - first], range: first..<training.count),
      ],
      metrics: metrics, state: ["mask": .array([.bool(true), .bool(false)]), "seed": .integer(.max)])
  }

  func sources(_ step: Int, _ collectives: any Collectives) -> [ShardSource] {
    let range =
      shares?[collectives.rank]
      ?? evenShard(of: training.count, rank: collectives.rank, worldSize: collectives.worldSize)
    return [
      ShardSource(
        "parameters", start: range.lowerBound, training.parameters(step).slice(range), base: BaseValues(training.base)),
      ShardSource("momentum", start: range.lowerBound, training.momentum(step).slice(range)),
    ]
  }

  /// Saves a step at a world size, from preparing the folder to moving `latest`.
  func save(
    _ step: Int, worldSize: Int = 1, metrics: [String: Double] = [:], at time: Double = 0, faults: FaultPoints = .none
  ) throws {
    let directory = CheckpointDirectory(folder, faults: faults)
    _ = try LoopbackWorld.run(size: worldSize) { collectives in
      try directory.prepare(collectives)
      guard let draft = try directory.begin(step: step, collectives) else { return }
      let shard = draft.writeShard(sources(step, collectives), options: smallFrames)
      try directory.commit(
        draft, shard: shard, manifest: manifest(step, metrics: metrics), at: time, collectives)
    }
  }

  /// What is wrong with a checkpoint's values; nil where every bit is that of its step.
  func difference(_ checkpoint: Checkpoint, _ collectives: any Collectives) throws -> String? {
    let step = checkpoint.manifest.step
    for (vector, expected) in [("parameters", training.parameters(step)), ("momentum", training.momentum(step))] {
      let values = Tensor(repeating: 7, shape: [training.count])
      try checkpoint.readAll(vector, into: values.buffer, base: BaseValues(training.base), collectives)
      if values.bits != expected.bits { return "\(vector) of \(checkpoint.name) at \(collectives.worldSize) ranks" }
    }
    var expected = manifest(step, metrics: checkpoint.manifest.metrics)
    expected.shards = checkpoint.manifest.shards
    expected.writtenAt = checkpoint.manifest.writtenAt
    return checkpoint.manifest == expected ? nil : "the manifest of \(checkpoint.name)"
  }

  /// The step of the newest whole checkpoint, with its values compared; nil where there is none.
  func newestStep(worldSize: Int = 1, passingOver report: @escaping @Sendable (Failure) -> Void = { _ in }) throws
    -> Int?
  {
    let steps: [Int?] = try LoopbackWorld.run(size: worldSize) { collectives in
      let checkpoint = try directory.newest(collectives) { if collectives.rank == 0 { report($0) } }
      guard let checkpoint else { return nil }
      if let difference = try difference(checkpoint, collectives) { throw Failure(.badData, difference) }
      return checkpoint.manifest.step
    }
    return steps[0]
  }

  /// Names in the folder.
  func names() throws -> [String] { try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted() }
}

/// Small frames, so that few elements make several.
private let smallFrames = {
  var options = ShardOptions()
  options.frameCount = 64
  return options
}()

/// Collects what is reported.
final class Reports: @unchecked Sendable {  // Guarded by `lock`.
  private let lock = NSLock()
  private var collected: [Failure] = []

  func add(_ failure: Failure) { lock.withLock { collected.append(failure) } }

  var all: [Failure] { lock.withLock { collected } }
}
