import CLIPModel
import Checkpoints
import Collectives
import Diagnostics
import Foundation
import Reporting
import ShardFiles
import SkipTuning
import Tensors
import TunedModels

/// Saves training's state beside training, and brings it back.
///
/// Each rank copies what it owns of parameters and momentum; background threads compress and write the copy. A later step,
/// when all ranks are done, gathers what they wrote; rank 0 publishes the checkpoint in the background again, and a later
/// step still learns of it. So training pauses for the copy alone. All methods are collective but for `isWritten`.
final class RunCheckpoints {
  let settings: CheckpointSettings
  let directory: CheckpointDirectory
  let collectives: any Collectives
  let report: RunReport
  var run: RunDescription
  let vector: TrainedVector
  let engine: any GradientEngine
  /// Whether the ranks of a host see each other's parameters.
  let sharesParameters: Bool
  let tensors: [CheckpointManifest.TrainedTensor]
  let baseFingerprint: Hash128
  /// Is told of each checkpoint that is there, on all ranks.
  var onSaved: (CheckpointManifest) -> Void = { _ in }
  /// Asked on rank 0 for steps whose checkpoints must stay.
  var protectedSteps: () -> Set<Int> = { [] }
  private(set) var counts = CheckpointCounts()
  private let snapshot: StateSnapshot
  private let storedBase: StoredBase?
  private let trace: TraceLog?
  private var phase = Phase.idle
  private var writingSince = TraceTime.now
  /// Steps that were taken while ranks wrote what is under way.
  private var stepsOfWriting = 0

  /// What is under way.
  private enum Phase {
    case idle
    /// Ranks write their shards.
    case writing(CheckpointDraft, CheckpointManifest, ShardJob)
    /// Rank 0, which alone has a task, completes it and deletes others; what it finds is why it could not delete.
    case publishing(CheckpointManifest, BackgroundTask<Result<Failure?, Failure>>?)
  }

  /// Takes base weights from a model that is still untuned, and was read from `source`.
  init(
    _ settings: CheckpointSettings, folder: URL, model: CLIP, from source: ModelSource, _ trained: TrainedParameters,
    engine: any GradientEngine, sharesParameters: Bool, run: RunDescription, threads: Int,
    _ collectives: any Collectives, report: RunReport,
    faults: FaultPoints = .none, trace: TraceLog? = nil
  ) {
    self.settings = settings
    self.collectives = collectives
    self.report = report
    self.run = run
    directory = CheckpointDirectory(folder, faults: faults)
    let vector = TrainedVector(trained, of: model.parameters)
    self.vector = vector
    self.engine = engine
    self.sharesParameters = sharesParameters
    self.trace = trace
    var end = 0
    tensors = engine.gradients.slots.map { slot in
      defer { end += slot.range.count }
      return CheckpointManifest.TrainedTensor(
        name: slot.name, shape: slot.shape, range: end..<end + slot.range.count)
    }
    baseFingerprint = BaseFingerprint.of(model)
    let own = engine.savedRanges
    let states = engine.states.map { state in
      let parts = state.saved.map { (range: $0, values: state.values($0)) }
      return StateVector(name: state.name, ranges: state.saved) { range, target in
        let part = parts.first { $0.range.contains(range) }!
        let start = range.lowerBound - part.range.lowerBound
        _ = target.update(fromContentsOf: part.values.slice(start..<start + range.count).buffer)
      }
    }
    snapshot = StateSnapshot(
      [StateVector(name: "parameters", ranges: own) { vector.copy($0, to: $1) }] + states, threads: threads)
    storedBase = StoredBase(source, model, vector, own)
  }
}

// MARK: - Saving

extension RunCheckpoints {
  /// Whether this rank has done its part of what is under way, and waits for the others.
  var isWritten: Bool {
    switch phase {
    case .idle: false
    case .writing(_, _, let job): job.isFinished
    case .publishing(_, let task): task?.isDone ?? true
    }
  }

  /// Starts a checkpoint; does as the settings say where one is being written, or it cannot be.
  func save(_ progress: RunProgress) throws {
    try pausing {
      guard isIdle || settings.whenBusy == .wait else {
        counts.skipped += 1
        return report.info("no checkpoint of step \(progress.position.step): the one before is still being written")
      }
      try finish()
      try tolerating(step: progress.position.step) { try start(progress) }
    }
  }

  /// Saves a state that must not be lost: returns when it is on the disk, throws where it cannot be written.
  func saveAtOnce(_ progress: RunProgress) throws {
    try finish()
    try start(progress)
    while !isIdle { try advance(toleratesFailure: false) }
  }

  /// To be called after each step: goes on with what is under way where all ranks have done their part.
  ///
  /// Background threads have the time that training leaves. Where it leaves none, each step does a little of their work, so
  /// that a checkpoint is never far behind its step.
  func continueWriting(isWrittenByAll: Bool) throws {
    try pausing {
      if isWrittenByAll { return try advance(toleratesFailure: true) }
      guard case .writing(_, _, let job) = phase, !job.isFinished else { return }
      stepsOfWriting += 1
      job.help(toShare: Double(stepsOfWriting - Self.stepsLeftAlone) / Double(Self.stepsOfHelp))
    }
  }

  /// Steps in which background threads may show that they need no help, and steps over which all the work is spread then.
  private static var stepsLeftAlone: Int { 4 }
  private static var stepsOfHelp: Int { 16 }

  /// Waits for the checkpoint that is being written, if there is one, and completes it.
  func complete() throws {
    var wait: Duration = .zero
    defer { counts.finalWaitSeconds += wait.inSeconds }
    try timed(&wait) { try finish() }
  }

  private var isIdle: Bool { if case .idle = phase { true } else { false } }

  private func finish() throws {
    while !isIdle { try advance(toleratesFailure: true) }
  }

  private func pausing(_ body: () throws -> Void) rethrows {
    var pause: Duration = .zero
    defer { counts.pausedSeconds += pause.inSeconds }
    try timed(&pause, body)
  }

  private func start(_ progress: RunProgress) throws {
    let position = progress.position
    guard let draft = try directory.begin(step: position.step, collectives) else { return }
    let manifest = CheckpointManifest(
      step: position.step, epoch: position.epoch, batchesDone: position.batch, baseFingerprint: baseFingerprint,
      tensors: tensors, metrics: progress.metrics, state: try run.state(at: progress))
    let base = storedBase?.values
    let sources = trace.span("snapshot", .checkpoint) { snapshot.take { $0 == "parameters" ? base : nil } }
    let storedBase = base == nil ? nil : storedBase
    let job = draft.shardJob(sources, options: settings.options) { try storedBase?.check() }
    job.start()
    writingSince = .now
    stepsOfWriting = 0
    phase = .writing(draft, manifest, job)
  }

  private func advance(toleratesFailure: Bool) throws {
    let former = phase
    phase = .idle
    switch former {
    case .idle: break
    case .writing(let draft, let manifest, let job):
      try tolerating(toleratesFailure, step: draft.step) {
        let shard = draft.result(of: job) { stillWaiting(draft.step) }
        trace?.complete("write shard", .checkpoint, on: .checkpoint, start: writingSince, end: .now, [:])
        phase = .publishing(
          manifest, publication(of: draft, manifest, try directory.collect(draft, shard: shard, collectives)))
      }
    case .publishing(let manifest, let task):
      try tolerating(toleratesFailure, step: manifest.step) {
        let problem = try collectives.agree { try task?.wait { stillWaiting(manifest.step) }.get() } ?? nil
        counts.saved += 1
        onSaved(manifest)
        // The checkpoint is good; that old ones stay fills the disk.
        try collectives.agree { if let problem { throw problem } }
      }
    }
  }

  private func publication(
    of draft: CheckpointDraft, _ manifest: CheckpointManifest, _ shards: [ShardDescription]
  ) -> BackgroundTask<Result<Failure?, Failure>>? {
    guard collectives.rank == 0 else { return nil }
    let (directory, rules, protected) = (directory, settings.retention, protectedSteps())
    return BackgroundTask {
      Result {
        try directory.publish(draft, shards, manifest)
        // What is left is not urgent.
        BackgroundThread.yieldToOthers()
        return failure { try directory.applyRetention(rules, protecting: protected) }
      }.mapError(Failure.init(describing:))
    }
  }

  private func stillWaiting(_ step: Int) {
    report.warning("still waiting for the disk to take the checkpoint of step \(step)")
  }

  /// Passes a failure on unless the run is to go on without the checkpoint; the same on all ranks, as all have it.
  private func tolerating(_ toleratesFailure: Bool = true, step: Int, _ body: () throws -> Void) throws {
    do {
      try body()
    } catch let failure as Failure where failure.status != .internalError {
      counts.failed += 1
      counts.lastFailure = "\(failure)"
      guard toleratesFailure, settings.onError == .goOn else { throw failure }
      report.warning(
        "THE CHECKPOINT OF STEP \(step) IS NOT SAVED: \(failure); training goes on, the next one is tried when it is due"
      )
    }
  }
}

/// The failure that `body` throws; another error is a defect.
private func failure(of body: () throws -> Void) -> Failure? {
  do {
    try body()
    return nil
  } catch {
    return Failure(describing: error)
  }
}
