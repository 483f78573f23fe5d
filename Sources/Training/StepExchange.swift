import CLIPModel
import Collectives
import Diagnostics
import GradientExchange
import Kernels
import Reporting
import SkipTuning
import Tensors

/// The other ranks, as a step sees them: those of its group, which share its batch, and now and then all.
///
/// Collective: all ranks of a group use it in step.
final class StepExchange: BatchExchange {
  /// What came of a step.
  struct StepNews {
    /// Mean loss of the global batch.
    var loss = 0.0
    /// Whether the step was left out, on all ranks or on some.
    var isSkipped = false
  }

  /// What ranks must know of each other whenever they are in step: after every step, or after so many local ones.
  struct News {
    /// The steps since the last news, in order.
    var steps: [StepNews] = []
    /// Whether every rank has written its shard of the pending checkpoint.
    var isCheckpointWritten = false
    /// Whether any rank was asked to stop.
    var isStopRequested = false
    /// Whether training is to end here, as it gets no better.
    var isEndRequested = false
  }

  let engine: any GradientEngine
  let group: TrainingGroup
  let collectives: MeteredCollectives
  let settings: ExchangeSettings
  let report: RunReport
  private let rows: RowExchange
  let trace: TraceLog?
  private(set) var step = 0
  private var rates: [Encoder: Double] = [:]
  private(set) var isShardWritten = false
  /// The step in which this rank's gradients were not finite, if there was one that nobody knows of yet.
  var nonFiniteStep: Int?
  /// The step in which this rank's loss was not finite, and that loss, if nobody knows of it yet.
  var nonFiniteLoss: (step: Int, loss: Double)?
  /// Steps that other groups have not heard of yet, as this rank sees them.
  var localSteps: [LocalStep] = []
  /// Whether this rank knows that training gets no better.
  var wantsEnd: () -> Bool = { false }
  /// What was heard of the others in this step.
  var news = News()

  init(
    _ engine: any GradientEngine, _ settings: ExchangeSettings, _ group: TrainingGroup,
    _ collectives: MeteredCollectives, report: RunReport, trace: TraceLog? = nil
  ) {
    self.trace = trace
    self.engine = engine
    self.settings = settings
    self.group = group
    self.collectives = collectives
    self.report = report
    rows = RowExchange(group.members)
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
      let count = try collectives.meter.phase("losses") { try group.members.allReduce(bad, .sum) }
      if count > 0 { leaveOut() }
      return count == 0
    }
  }

  private func leaveOut() {
    if settings.takesLocalSteps {
      localSteps[localSteps.count - 1] = LocalStep(loss: 0, images: 0)
    } else {
      news.steps[0].isSkipped = true
    }
  }

  /// Waits until all parameters are there and known to be finite.
  func settle() throws {
    try engine.settle()
    try collectives.agree { try checkGradients() }
  }
}

// MARK: - Images and losses

extension StepExchange {
  func maximumOverBatch(_ scores: inout [Float]) throws {
    try trace.span("class scores", .exchange, ["bytes": .integer(4 * scores.count)]) {
      try collectives.meter.phase("class_scores") { try group.members.allReduce(&scores, .max) }
    }
  }

  /// Exchanges the news of the step, or takes note of them until the next synchronisation.
  ///
  /// Throws on all ranks where the loss is not finite and that ends the run, or where rank 0 cannot write.
  func goesOn(losses: [Double]) throws -> Bool {
    let loss = losses.reduce(0, +)
    if !loss.isFinite { nonFiniteLoss = nonFiniteLoss ?? (step, loss) }
    return settings.takesLocalSteps
      ? try goesOnLocally(loss: loss, images: losses.count) : try goesOnTogether(loss: loss)
  }

  private func goesOnTogether(loss: Double) throws -> Bool {
    var sums = [loss] + flags
    try trace.span("losses", .exchange, ["bytes": .integer(8 * sums.count)]) {
      try collectives.meter.phase("losses") { try collectives.allReduce(&sums, .sum) }
    }
    try hear(flags: Array(sums.dropFirst()))
    let mean = sums[0] / Double(group.globalBatch)
    nonFiniteLoss = nil
    news.steps = [StepNews(loss: mean, isSkipped: !mean.isFinite)]
    return mean.isFinite
  }

  /// What this rank has to tell, as ones and zeros to be summed.
  var flags: [Double] {
    [
      report.hasTrouble, isShardWritten, StopSignal.isRequested, nonFiniteLoss != nil, nonFiniteStep != nil,
      wantsEnd(),
    ].map { $0 ? 1 : 0 }
  }

  /// Takes note of the sums of all ranks' flags.
  ///
  /// Throws on all ranks what one of them cannot go on with.
  func hear(flags sums: [Double]) throws {
    if sums[0] > 0 { try collectives.agree { try report.check() } }
    if sums[4] > 0 { try collectives.agree { try checkGradients() } }
    if sums[3] > 0, settings.nonFinite == .stop { try collectives.agree { try checkLoss() } }
    news.isCheckpointWritten = sums[1] == Double(collectives.worldSize)
    news.isStopRequested = sums[2] > 0
    news.isEndRequested = sums[5] > 0
  }

  private func checkLoss() throws {
    guard let (step, loss) = nonFiniteLoss else { return }
    throw diverged("the loss is \(loss.isNaN ? "not a number" : "infinite")", step)
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
  func textShare(tokens: [Int]) -> Range<Int> { textShares(tokens)[group.members.rank] }

  func completeTexts(_ features: Tensor, tokens: [Int]) throws {
    let counts = textShares(tokens).map { $0.count * features.columnCount }
    guard settings.classParallelText else { return }
    try trace.span("text features", .exchange, ["bytes": .integer(4 * features.count)]) {
      try collectives.meter.phase("text_features") {
        try group.members.allGather(into: features.buffer, counts: counts)
      }
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
    let size = group.members.worldSize
    guard settings.classParallelText else { return Array(repeating: tokens.indices, count: size) }
    return balancedShares(of: tokens, worldSize: size)
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
    if try !engine.gradientsReady(encoder, layer: layer) { nonFiniteStep = nonFiniteStep ?? step }
  }

  func gradientsAreZero(_ encoder: Encoder, layer: Int) throws { try engine.gradientsAreZero(encoder, layer: layer) }
}
