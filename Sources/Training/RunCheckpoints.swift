import CLIPModel
import Checkpoints
import Collectives
import Diagnostics
import Foundation
import Reporting
import ShardFiles
import SkipTuning
import StrictJSON
import Synchronization
import Tensors

/// Saves training's state beside training, and brings it back.
///
/// Each rank copies its even share of parameters and momentum; a background thread compresses and writes it. A later
/// step, when all ranks are done, completes the checkpoint. So training pauses for the copy alone. All methods are
/// collective but for `isWritten`.
final class RunCheckpoints {
  private let settings: CheckpointSettings
  private let directory: CheckpointDirectory
  private let collectives: any Collectives
  private let report: RunReport
  private let identity: RunIdentity
  private let vector: TrainedVector
  private let engine: any GradientEngine
  private let sharesParameters: Bool
  private let tensors: [CheckpointManifest.TrainedTensor]
  private let baseFingerprint: Hash128
  private let base: BaseValues
  private let trace: TraceLog?
  private var pending: PendingSave?

  /// Takes what differences are stored to from a model that is still untuned.
  ///
  /// `sharesParameters` tells whether the ranks of a host see each other's parameters.
  init(
    _ settings: CheckpointSettings, folder: URL, model: CLIP, _ trained: TrainedParameters, engine: any GradientEngine,
    sharesParameters: Bool, identity: RunIdentity, _ collectives: any Collectives, report: RunReport, trace: TraceLog?
  ) {
    self.settings = settings
    self.trace = trace
    self.collectives = collectives
    self.report = report
    self.identity = identity
    directory = CheckpointDirectory(folder)
    vector = TrainedVector(trained, of: model.parameters)
    self.engine = engine
    self.sharesParameters = sharesParameters
    var end = 0
    tensors = trained.makeStore(model.parameters.layout, values: engine.gradients).slots.map { slot in
      defer { end += slot.range.count }
      return CheckpointManifest.TrainedTensor(
        name: slot.name, shape: slot.shape, range: end..<end + slot.range.count)
    }
    baseFingerprint = BaseFingerprint.of(
      model.parameters.slots.map { ($0.name, model.parameters[$0.name]!) })
    base = Self.baseValues(vector, engine.savedRanges)
  }

  /// Copies of the vector's values in some ranges.
  private static func baseValues(_ vector: TrainedVector, _ ranges: [Range<Int>]) -> BaseValues {
    let copies = ranges.map { (range: $0, values: vector.copy($0)) }
    return BaseValues { range, buffer in
      let copy = copies.first { $0.range.lowerBound <= range.lowerBound && range.upperBound <= $0.range.upperBound }!
      let start = range.lowerBound - copy.range.lowerBound
      _ = buffer.update(fromContentsOf: UnsafeBufferPointer(rebasing: copy.values.buffer[start..<start + range.count]))
    }
  }

  /// A save that the background thread works on.
  private final class PendingSave: Sendable {
    let draft: CheckpointDraft
    let manifest: CheckpointManifest
    private let result = Mutex<Result<ShardDescription, Failure>?>(nil)
    private let done = DispatchSemaphore(value: 0)

    init(
      _ draft: CheckpointDraft, _ manifest: CheckpointManifest, _ sources: [ShardSource], _ options: ShardOptions,
      _ trace: TraceLog?
    ) {
      self.draft = draft
      self.manifest = manifest
      Thread.detachNewThread { [self] in
        let written = trace.span("write shard", .checkpoint, on: .checkpoint) {
          draft.writeShard(sources, options: options)
        }
        result.withLock { $0 = written }
        done.signal()
      }
    }

    var isWritten: Bool { result.withLock { $0 != nil } }

    /// Blocks until the shard is written; to be called once.
    func wait() -> Result<ShardDescription, Failure> {
      done.wait()
      return result.withLock { $0! }
    }
  }
}

// MARK: - Saving

extension RunCheckpoints {
  /// Whether this rank has a shard that waits for the others.
  var isWritten: Bool { pending?.isWritten ?? false }

  /// Starts a checkpoint; one that is still being written is waited for.
  func save(at position: TrainingPosition, loss: Double?, zeroShot: RunResults.TestOutcome?) throws {
    try complete()
    guard let draft = try directory.begin(step: position.step, collectives) else { return }
    var manifest = CheckpointManifest(
      step: position.step, epoch: position.epoch, batchesDone: position.batch, baseFingerprint: baseFingerprint,
      tensors: tensors)
    if let loss { manifest.metrics["loss"] = loss }
    manifest.state["identity"] = identity.json
    if let zeroShot {
      manifest.state["zero_shot"] = .string(String(decoding: try JSONEncoder().encode(zeroShot), as: UTF8.self))
    }
    let sources = trace.span("snapshot", .checkpoint) { snapshot() }
    pending = PendingSave(draft, manifest, sources, ShardOptions(level: settings.level), trace)
  }

  /// Copies of what this rank writes.
  private func snapshot() -> [ShardSource] {
    let ranges = engine.savedRanges
    let parameters = ranges.map { ShardSource("parameters", start: $0.lowerBound, vector.copy($0), base: base) }
    return parameters
      + engine.stateNames.flatMap { name in
        ranges.map { ShardSource(name, start: $0.lowerBound, engine.state(name, $0).copied()) }
      }
  }

  /// Waits for the checkpoint that is being written, if there is one, and completes it.
  func complete() throws {
    guard let pending else { return }
    self.pending = nil
    try trace.span("complete checkpoint", .checkpoint) {
      try directory.commit(pending.draft, shard: pending.wait(), manifest: pending.manifest, collectives)
    }
    try collectives.agree {
      guard collectives.rank == 0 else { return }
      try directory.applyRetention(CheckpointRetention(last: settings.keepLast))
    }
  }
}

// MARK: - Resuming

extension RunCheckpoints {
  /// Where a restored run stands.
  struct Restored {
    let position: TrainingPosition
    let loss: Double?
    let zeroShot: RunResults.TestOutcome?
  }

  /// Makes the folder ready, and brings back the state that `resume` names; nil where training starts from the beginning.
  ///
  /// Throws the same `Failure` on all ranks where that state is damaged or of another run.
  func restore(_ resume: Resume) throws -> Restored? {
    for name in try directory.prepare(collectives) {
      report.info("removed \(name), which a stopped run had not completed")
    }
    guard let checkpoint = try find(resume) else { return nil }
    let manifest = checkpoint.manifest
    try collectives.agree {
      try identity.check(manifest.state["identity"], at: checkpoint.folder.path)
      try manifest.checkFits(tensors: tensors, baseFingerprint: baseFingerprint, at: checkpoint.folder.path)
    }
    try read(checkpoint)
    report.info(
      "resuming from \(checkpoint.name): \(manifest.epoch) epochs and \(manifest.batchesDone) batches are done")
    return Restored(
      position: TrainingPosition(epoch: manifest.epoch, batch: manifest.batchesDone, step: manifest.step),
      loss: manifest.metrics["loss"],
      zeroShot: try manifest.state["zero_shot"]?.string.map {
        try JSONDecoder().decode(RunResults.TestOutcome.self, from: Data($0.utf8))
      })
  }

  /// Brings parameters and optimiser state back.
  private func read(_ checkpoint: Checkpoint) throws {
    // Untuned so far: the base that differences are stored to.
    let parameters = vector.copy(0..<engine.gradients.count)
    let own = BaseValues(parameters)
    try checkpoint.readAll("parameters", into: parameters.buffer, base: own, collectives)
    if !sharesParameters || collectives.nodeRank == 0 { vector.write(parameters) }
    try collectives.agree {
      for name in engine.stateNames {
        for range in engine.heldRanges { try checkpoint.read(name, range, into: engine.state(name, range).buffer) }
      }
    }
  }

  private func find(_ resume: Resume) throws -> Checkpoint? {
    switch resume {
    case .never: nil
    case .auto: try directory.newest(collectives) { report.warning("passing over a damaged checkpoint: \($0)") }
    case .latest: try directory.latest(collectives)
    case .checkpoint(let path): try directory.checkpoint(at: URL(fileURLWithPath: path), collectives)
    }
  }
}
