import CLIPModel
import Collectives
import Coordination
import Diagnostics
import Foundation
import Kernels

/// A rank that evaluates checkpoints, with the others that do, while the rest trains.
final class BackgroundEvaluator<Product: MatrixProduct> {
  private let settings: RunSettings
  /// Of the ranks that evaluate.
  private let environment: TrainingRun<Product>.Environment
  private let world: any MessagePassing
  private let channel: MessageChannel<EvaluationMessage>
  private let report: RunReport
  /// The end, if it was heard of while something was evaluated.
  private var end: End?
  private var hasFailed = false

  /// What rank 0 ends the run with.
  private struct End {
    let failure: Failure?
  }

  /// An evaluator that has not begun, of a world of which it and its like are a part.
  init(_ settings: RunSettings, _ environment: TrainingRun<Product>.Environment, in world: any MessagePassing) {
    (self.settings, self.environment, self.world) = (settings, environment, world)
    channel = MessageChannel(world, tag: EvaluationMessage.tag)
    report = RunReport(console: environment.console, log: environment.log, rank: world.rank)
  }

  private var collectives: MeteredCollectives { environment.collectives }

  /// Evaluates until rank 0 ends it, and throws the failure that the run ends with.
  ///
  /// Collective: all ranks that evaluate call this, the others prepare training meanwhile.
  func run() throws {
    collectives.meter.place = "reading data and model"
    let prepared = Result { try prepare() }
    let (tests, overlay) = try world.agree { try prepared.get() }
    try channel.listen(to: 0)
    while true {
      let (message, payload) = try next()
      switch message.kind {
      case .evaluate:
        let path = String(decoding: payload, as: UTF8.self)
        try evaluate(URL(fileURLWithPath: path), message, tests, overlay)
      case .end: break
      default: continue
      }
      if let end { return try leave(end) }
    }
  }

  private func prepare() throws -> (CheckpointTests<Product>, ModelOverlay) {
    let isShared = collectives.hasSharedHosts
    let inputs = try CheckpointTests<Product>.inputs(settings, collectives, report: report) { [collectives] in
      try CLIP.read($0.weights, for: $0.method, isShared: isShared, among: collectives)
    }
    let overlay = ModelOverlay(inputs.model!, inputs.task!, isShared: isShared, among: collectives)
    let cache = RunFeatureCache(settings.features, environment, report: report)
    return (CheckpointTests(settings, inputs, environment, report: report, cache: cache), overlay)
  }

  private func leave(_ end: End) throws {
    try channel.send(.farewell, to: 0)
    try channel.flush()
    if let failure = end.failure { throw failure }
  }

  // MARK: Messages

  private func next() throws -> (EvaluationMessage, [UInt8]) {
    collectives.meter.place = "waiting for a checkpoint"
    var found: (EvaluationMessage, [UInt8])?
    try world.wait(in: "wait for the next checkpoint") {
      if StopSignal.isRequested { try tell(of: StopSignal.failure) }
      found = try take()
      if found == nil { usleep(EvaluationOffice.pause) }
      return found != nil
    }
    return found!
  }

  private func take() throws -> (EvaluationMessage, [UInt8])? {
    guard end == nil, let message = try channel.take(from: 0) else { return nil }
    let payload = try channel.takePayload(of: message, from: 0)
    if message.kind == .end {
      end = End(failure: payload.isEmpty ? nil : Failure(encoded: payload))
    } else {
      try channel.listen(to: 0)
    }
    return (message, payload)
  }

  private func tell(of failure: Failure) throws {
    guard !hasFailed else { return }
    hasFailed = true
    try channel.send(.failed, failure.encoded(), to: 0)
  }

  // MARK: Evaluating

  /// Evaluates a checkpoint; whatever goes wrong, rank 0 is told, and says what follows.
  private func evaluate(
    _ folder: URL, _ message: EvaluationMessage, _ tests: CheckpointTests<Product>, _ overlay: ModelOverlay
  ) throws {
    let place = CheckpointPosition(step: message.step, epoch: message.epoch, name: folder.lastPathComponent)
    do {
      let found = try FoundWeights(.checkpoint(path: folder.path), collectives) { _ in }
      try overlay.lay(found.tuned)
      let evaluation = try tests.evaluate(
        place, found.hash!, overlay.model, onStep: { try self.goOn() },
        onProgress: { try self.channel.send(.progress, to: 0) })
      if let evaluation { try channel.send(.result, Array(try evaluation.encoded()), to: 0) }
    } catch var failure as Failure where failure.status != .internalError {
      guard end == nil, collectives.rank == 0 else { return }
      if failure.status != .requeue {
        failure.problem = "evaluation of the checkpoint of step \(place.step): \(failure.problem)"
      }
      try tell(of: failure)
    }
  }

  /// Throws where this process was asked to stop, or the run has come to an end.
  private func goOn() throws {
    try StopSignal.check()
    _ = try take()
    if let end { throw end.failure ?? StopSignal.failure }
  }
}
