import CLIPModel
import Checkpoints
import Collectives
import Diagnostics
import Foundation
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
  private let momentum: Tensor
  private let tensors: [CheckpointManifest.TrainedTensor]
  private let baseFingerprint: Hash128
  private let share: Range<Int>
  private let base: BaseValues
  private var pending: PendingSave?

  /// Takes what differences are stored to from a model that is still untuned.
  init(
    _ settings: CheckpointSettings, folder: URL, model: CLIP, _ trained: TrainedParameters, momentum: ParameterStore,
    identity: RunIdentity, _ collectives: any Collectives, report: RunReport
  ) {
    self.settings = settings
    self.collectives = collectives
    self.report = report
    self.identity = identity
    directory = CheckpointDirectory(folder)
    vector = TrainedVector(trained, of: model.parameters)
    self.momentum = momentum.values
    var end = 0
    tensors = momentum.slots.map { slot in
      defer { end += slot.range.count }
      return CheckpointManifest.TrainedTensor(
        name: slot.name, shape: slot.shape, range: end..<end + slot.range.count)
    }
    baseFingerprint = BaseFingerprint.of(
      model.parameters.slots.map { ($0.name, model.parameters[$0.name]!) })
    let share = evenShard(of: trained.count, rank: collectives.rank, worldSize: collectives.worldSize)
    let values = vector.copy(share)
    self.share = share
    base = BaseValues { range, buffer in
      precondition(share.lowerBound <= range.lowerBound && range.upperBound <= share.upperBound)
      let part = range.lowerBound - share.lowerBound..<range.upperBound - share.lowerBound
      _ = buffer.update(fromContentsOf: UnsafeBufferPointer(rebasing: values.buffer[part]))
    }
  }

  /// A save that the background thread works on.
  private final class PendingSave: Sendable {
    let draft: CheckpointDraft
    let manifest: CheckpointManifest
    private let result = Mutex<Result<ShardDescription, Failure>?>(nil)
    private let done = DispatchSemaphore(value: 0)

    init(_ draft: CheckpointDraft, _ manifest: CheckpointManifest, _ sources: [ShardSource], _ options: ShardOptions) {
      self.draft = draft
      self.manifest = manifest
      Thread.detachNewThread { [self] in
        let written = draft.writeShard(sources, options: options)
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
    let sources = [
      ShardSource("parameters", start: share.lowerBound, vector.copy(share), base: base),
      ShardSource("momentum", start: share.lowerBound, momentum.slice(share).copied()),
    ]
    pending = PendingSave(draft, manifest, sources, ShardOptions(level: settings.level))
  }

  /// Waits for the checkpoint that is being written, if there is one, and completes it.
  func complete() throws {
    guard let pending else { return }
    self.pending = nil
    try directory.commit(pending.draft, shard: pending.wait(), manifest: pending.manifest, collectives)
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
    let parameters = Tensor(uninitialized: [momentum.count])
    try checkpoint.readAll("parameters", into: parameters.buffer, base: base, collectives)
    vector.write(parameters)
    try checkpoint.readAll("momentum", into: momentum.buffer, collectives)
    report.info(
      "resuming from \(checkpoint.name): \(manifest.epoch) epochs and \(manifest.batchesDone) batches are done")
    return Restored(
      position: TrainingPosition(epoch: manifest.epoch, batch: manifest.batchesDone, step: manifest.step),
      loss: manifest.metrics["loss"],
      zeroShot: try manifest.state["zero_shot"]?.string.map {
        try JSONDecoder().decode(RunResults.TestOutcome.self, from: Data($0.utf8))
      })
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
