import CLIPModel
import Collectives
import Diagnostics
import GradientExchange
import Kernels
import Reporting
import SkipTuning
import Tensors

/// The other ranks, as a step sees them.
///
/// Collective: all ranks use it in step.
final class StepExchange: BatchExchange {
  /// What ranks must know of each other at every step.
  struct News {
    /// Mean loss of the global batch.
    var loss = 0.0
    /// Whether every rank has written its shard of the pending checkpoint.
    var isCheckpointWritten = false
    /// Whether any rank was asked to stop.
    var isStopRequested = false
    /// Whether the step was left out.
    var isSkipped = false
  }

  let engine: any GradientEngine
  private(set) var news = News()
  private let collectives: MeteredCollectives
  private let settings: ExchangeSettings
  private let layers: [Encoder: [Int: Range<Int>]]
  private let globalBatch: Int
  private let report: RunReport
  private let rows: RowExchange
  private let trace: TraceLog?
  private var step = 0
  private var rates: [Encoder: Double] = [:]
  private var isShardWritten = false
  /// The step in which this rank's gradients were not finite, if there was one that nobody knows of yet.
  private var nonFiniteStep: Int?

  /// `layers` are the parts of the trained vector.
  init(
    _ engine: any GradientEngine, layers: [Encoder: [Int: Range<Int>]], _ settings: ExchangeSettings, globalBatch: Int,
    _ collectives: MeteredCollectives,
    report: RunReport, trace: TraceLog? = nil
  ) {
    self.trace = trace
    self.engine = engine
    self.layers = layers
    self.settings = settings
    self.globalBatch = globalBatch
    self.collectives = collectives
    self.report = report
    rows = RowExchange(collectives)
  }

  /// Sets what the next step is about.
  func start(step: Int, rates: [Encoder: Double], isShardWritten: Bool) {
    self.step = step
    self.isShardWritten = isShardWritten
    self.rates = rates
    news = News()
  }

  /// Ends the step: what is exchanged may still be under way.
  func endStep() throws {
    try engine.endStep {
      guard settings.nonFinite == .skip else { return true }
      let bad: Int64 = nonFiniteStep == nil ? 0 : 1
      nonFiniteStep = nil
      let count = try collectives.meter.phase("losses") { try collectives.allReduce(bad, .sum) }
      news.isSkipped = count > 0
      return count == 0
    }
  }

  /// Waits until all parameters are there and known to be finite, and leaves nothing that a checkpoint does not hold.
  func settle() throws {
    try engine.settle()
    engine.prepareForCheckpoint()
    try collectives.agree { try checkGradients() }
  }
}

// MARK: - Images and losses

extension StepExchange {
  func maximumOverBatch(_ scores: inout [Float]) throws {
    try trace.span("class scores", .exchange, ["bytes": .integer(4 * scores.count)]) {
      try collectives.meter.phase("class_scores") { try collectives.allReduce(&scores, .max) }
    }
  }

  /// Exchanges the news of the step.
  ///
  /// Throws on all ranks where the loss is not finite and that ends the run, or where rank 0 cannot write.
  func goesOn(losses: [Double]) throws -> Bool {
    let loss = losses.reduce(0, +)
    let flags = [
      report.hasTrouble, isShardWritten, StopSignal.isRequested, !loss.isFinite, nonFiniteStep != nil,
    ]
    var sums = [loss] + flags.map { $0 ? 1 : 0 }
    try trace.span("losses", .exchange, ["bytes": .integer(8 * sums.count)]) {
      try collectives.meter.phase("losses") { try collectives.allReduce(&sums, .sum) }
    }
    if sums[1] > 0 { try collectives.agree { try report.check() } }
    if sums[5] > 0 { try collectives.agree { try checkGradients() } }
    news.loss = sums[0] / Double(globalBatch)
    news.isCheckpointWritten = sums[2] == Double(collectives.worldSize)
    news.isStopRequested = sums[3] > 0
    guard !news.loss.isFinite else { return true }
    if settings.nonFinite == .stop { try collectives.agree { try checkLoss(loss) } }
    news.isSkipped = true
    return false
  }

  private func checkLoss(_ loss: Double) throws {
    if !loss.isFinite { throw diverged("the loss is \(loss.isNaN ? "not a number" : "infinite")", step) }
  }

  private func checkGradients() throws {
    if let nonFiniteStep { throw diverged("a gradient is not finite", nonFiniteStep) }
  }

  private func diverged(_ problem: String, _ step: Int) -> Failure {
    Failure(
      .badData, at: "step \(step)", "\(problem) on rank \(collectives.rank): training has diverged",
      remedy: "lower optim.text_lr and optim.image_lr, or set exchange.on_nonfinite to skip")
  }
}

// MARK: - Texts

extension StepExchange {
  func textShare(tokens: [Int]) -> Range<Int> { textShares(tokens)[collectives.rank] }

  func completeTexts(_ features: Tensor, tokens: [Int]) throws {
    let counts = textShares(tokens).map { $0.count * features.columnCount }
    guard settings.classParallelText else { return }
    try trace.span("text features", .exchange, ["bytes": .integer(4 * features.count)]) {
      try collectives.meter.phase("text_features") { try collectives.allGather(into: features.buffer, counts: counts) }
    }
  }

  func startTextGradients(_ gradients: Tensor, tokens: [Int]) throws {
    guard settings.classParallelText else { return }
    try collectives.meter.phase("text_features") { try rows.start(gradients, shares: textShares(tokens)) }
  }

  func finishTextGradients(_ gradients: Tensor) throws {
    guard settings.classParallelText else { return }
    try trace.span("text gradients", .exchange, ["bytes": .integer(4 * gradients.count)]) {
      try collectives.meter.phase("text_features") { try rows.finish(gradients) }
    }
  }

  /// Consecutive classes for each rank, with about the same number of tokens; all classes for each where texts are not
  /// divided.
  private func textShares(_ tokens: [Int]) -> [Range<Int>] {
    guard settings.classParallelText else { return Array(repeating: tokens.indices, count: collectives.worldSize) }
    return balancedShares(of: tokens, worldSize: collectives.worldSize)
  }
}

/// Cuts consecutive items into one share per rank so that the weights of the shares are about equal.
///
/// Shares may be empty. An item belongs to the rank in whose even part of the total weight its middle lies.
func balancedShares(of weights: [Int], worldSize: Int) -> [Range<Int>] {
  let total = weights.reduce(0, +)
  var before = 0
  let owners = weights.map { weight in
    defer { before += weight }
    return min(worldSize - 1, (2 * before + weight) * worldSize / max(1, 2 * total))
  }
  return (0..<worldSize).map { rank in
    let first = owners.firstIndex { $0 >= rank } ?? weights.count
    return first..<(owners.firstIndex { $0 > rank } ?? weights.count)
  }
}

// MARK: - Gradients

extension StepExchange {
  func begin() throws { try engine.begin(rates: rates) }

  func willUse(_ encoder: Encoder, layer: Int) throws { try engine.willUse(encoder, layer: layer) }

  func gradientsReady(_ encoder: Encoder, layer: Int) throws {
    if !ElementWise.isFinite(engine.gradients.slice(layers[encoder]![layer]!)) { nonFiniteStep = nonFiniteStep ?? step }
    try engine.gradientsReady(encoder, layer: layer)
  }
}
