import CLIPModel
import Collectives
import Datasets
import Diagnostics
import Kernels
import Optimization
import Reporting
import SkipTuning
import Tensors

/// Epochs and steps.
///
/// Collective: all ranks run the same loop.
struct TrainingLoop<Product: MatrixProduct> {
  /// What came of the loop: where it stands, and what this start of it took.
  struct Outcome {
    var position = TrainingPosition()
    var finalLoss: Double?
    var extraction: Duration = .zero
    var stepTimes: [Duration] = []
  }

  let settings: RunSettings
  let inputs: RunInputs
  let extractor: PrefixExtractor<Product>
  let step: SkipTuningStep<Product>
  let trained: TrainedParameters
  let collectives: MeteredCollectives
  let report: RunReport
  let momentum: ParameterStore
  let checkpoints: RunCheckpoints
  /// Stored with checkpoints, so that a resumed run can report it.
  let zeroShot: RunResults.TestOutcome?

  /// Trains from `position` until the epochs or the limit on steps are used up.
  func run(from position: TrainingPosition, loss: Double?) throws -> Outcome {
    var outcome = Outcome(position: position, finalLoss: loss)
    let start = ContinuousClock.now
    while outcome.position.epoch < settings.optimizer.epochs,
      outcome.position.step < settings.limits.maxSteps ?? .max
    {
      let epoch = outcome.position.epoch
      let summary = try runEpoch(&outcome)
      let done = outcome.position.epoch - position.epoch
      let left = start.duration(to: .now) / max(1, done) * (settings.optimizer.epochs - outcome.position.epoch)
      report.line("\(title(epoch)): \(summary), \(Readable.duration(left)) left")
    }
    if settings.checkpoint.isEnabled {
      try checkpoints.save(at: outcome.position, loss: outcome.finalLoss, zeroShot: zeroShot)
    }
    try checkpoints.complete()
    return outcome
  }

  /// Saves the state and ends all ranks with status 75.
  private func stop(_ outcome: Outcome) throws -> Never {
    try checkpoints.save(at: outcome.position, loss: outcome.finalLoss, zeroShot: zeroShot)
    try checkpoints.complete()
    var failure = StopSignal.failure
    failure.problem += "; the state after \(outcome.position.step) steps is saved"
    throw failure
  }

  private func title(_ epoch: Int) -> String { "epoch \(epoch + 1)/\(settings.optimizer.epochs)" }

  /// Runs what is left of an epoch and returns it in words.
  private func runEpoch(_ outcome: inout Outcome) throws -> String {
    let epoch = outcome.position.epoch
    let stepsLeft = (settings.limits.maxSteps ?? .max) - outcome.position.step
    let plan = try collectives.agree { try inputs.plan(settings, epoch: epoch) }
    let shares = plan[outcome.position.batch...].prefix(stepsLeft).map { batch in
      Array(batch[evenShard(of: batch.count, rank: collectives.rank, worldSize: collectives.worldSize)])
    }
    var extraction: Duration = .zero
    let features: PrefixFeatures
    do {
      features = try timed(&extraction) { try extract(shares.flatMap { $0 }, epoch: epoch) }
    } catch let failure as Failure where failure.status == .requeue {
      try stop(outcome)
    }
    outcome.extraction += extraction
    let (meanLoss, time) = try runSteps(shares, features, batchCount: plan.count, &outcome)
    return "loss \(Readable.fixed(meanLoss, 4)), \(Readable.count(shares.count)) steps in "
      + "\(Readable.duration(time)), features \(Readable.duration(extraction))"
  }

  /// Takes one step for each of this rank's shares; `features` hold their images in the same order.
  private func runSteps(
    _ shares: [[Int]], _ features: PrefixFeatures, batchCount: Int, _ outcome: inout Outcome
  ) throws -> (meanLoss: Double, time: Duration) {
    let epoch = outcome.position.epoch
    let rates = Dictionary(uniqueKeysWithValues: Encoder.allCases.map { ($0, rate(of: $0, epoch: epoch)) })
    report.start("\(title(epoch)) training", unit: "step", total: shares.count)
    defer { report.dropProgress() }
    var firstImage = 0
    var lossSum = 0.0
    var total: Duration = .zero
    for (index, share) in shares.enumerated() {
      var time: Duration = .zero
      let number = outcome.position.step
      let result = try timed(&time) {
        try takeStep(number, features.window(firstImage..<firstImage + share.count), share, rates)
      }
      firstImage += share.count
      lossSum += result.loss
      total += time
      outcome.finalLoss = result.loss
      outcome.stepTimes.append(time)
      record(number, epoch: epoch, result, rates, time)
      report.update(index + 1, note: "loss \(Readable.fixed(result.loss, 4))")
      advance(&outcome.position, batchCount: batchCount)
      if result.isStopRequested { try stop(outcome) }
      try keepState(outcome, isWritten: result.isCheckpointWritten)
    }
    return (lossSum / Double(shares.count), total)
  }

  private func advance(_ position: inout TrainingPosition, batchCount: Int) {
    position.step += 1
    position.batch += 1
    if position.batch == batchCount {
      position.epoch += 1
      position.batch = 0
    }
  }

  /// Completes the checkpoint that all ranks have written, and starts the next where one is due.
  private func keepState(_ outcome: Outcome, isWritten: Bool) throws {
    if isWritten { try checkpoints.complete() }
    if settings.checkpoint.isDue(at: outcome.position) {
      try checkpoints.save(at: outcome.position, loss: outcome.finalLoss, zeroShot: zeroShot)
    }
  }

  private func extract(_ images: [Int], epoch: Int) throws -> PrefixFeatures {
    report.start("\(title(epoch)) features", unit: "image", total: images.count)
    defer { report.dropProgress() }
    return try collectives.agree {
      try extractor.extract(images, epoch: epoch) {
        report.update($0)
        try StopSignal.check()
      }
    }
  }

  private func rate(of encoder: Encoder, epoch: Int) -> Double {
    let base = encoder == .image ? settings.optimizer.imageRate : settings.optimizer.textRate
    return settings.optimizer.schedule(base: base).rate(epoch: epoch)
  }
}

// MARK: - One step

extension TrainingLoop {
  private struct StepResult {
    let loss: Double
    let keptClasses: [Int]
    /// Whether every rank has written its shard of the pending checkpoint.
    let isCheckpointWritten: Bool
    /// Whether any rank was asked to stop.
    let isStopRequested: Bool
  }

  /// Loss, gradients, their sum over the ranks, and the update.
  private func takeStep(
    _ number: Int, _ images: PrefixFeatures, _ share: [Int], _ rates: [Encoder: Double]
  ) throws -> StepResult {
    let result = try step.run(
      images: images, labels: share.map { inputs.training.train[$0].label }, globalBatch: inputs.globalBatch,
      step: number
    ) { scores in
      try collectives.meter.phase("class_scores") { try collectives.allReduce(&scores, .max) }
    }
    try collectives.meter.phase("gradients") { try collectives.allReduce(step.gradients.values.buffer, .sum) }
    let news = try exchangeNews(result.losses, step: number)
    for encoder in Encoder.allCases {
      let window = trained.windows[encoder]!
      settings.optimizer.sgd.update(
        inputs.model.parameters.values(in: window), gradient: step.gradients.values(in: window),
        momentumBuffer: momentum.values(in: window), rate: rates[encoder]!)
    }
    return StepResult(
      loss: news.loss, keptClasses: result.keptClasses, isCheckpointWritten: news.isCheckpointWritten,
      isStopRequested: news.isStopRequested)
  }

  /// The mean loss of the global batch, and with it what ranks must know of each other at every step: whether all have
  /// written their shard of a checkpoint, and whether any was asked to stop.
  ///
  /// Throws on all ranks where the loss is not finite, or where rank 0 cannot write.
  private func exchangeNews(
    _ losses: [Double], step: Int
  ) throws -> (loss: Double, isCheckpointWritten: Bool, isStopRequested: Bool) {
    let flags = [report.hasTrouble, checkpoints.isWritten, StopSignal.isRequested]
    var sums = [losses.reduce(0, +)] + flags.map { $0 ? 1 : 0 }
    try collectives.meter.phase("losses") { try collectives.allReduce(&sums, .sum) }
    if sums[1] > 0 { try collectives.agree { try report.check() } }
    let loss = sums[0] / Double(inputs.globalBatch)
    guard loss.isFinite else {
      throw Failure(
        .badData, at: "step \(step)", "the loss is \(loss.isNaN ? "not a number" : "infinite"): training has diverged",
        remedy: "lower optim.text_lr and optim.image_lr")
    }
    return (loss, sums[2] == Double(collectives.worldSize), sums[3] > 0)
  }

  private func record(
    _ number: Int, epoch: Int, _ result: StepResult, _ rates: [Encoder: Double], _ time: Duration
  ) {
    report.record([
      "step": .integer(number), "epoch": .integer(epoch), "loss": .double(result.loss),
      "text_lr": .double(rates[.text]!), "image_lr": .double(rates[.image]!),
      "kept_classes": .list(result.keptClasses.map { .integer($0) }), "seconds": .double(time.inSeconds),
    ])
  }
}

/// Adds the time that `body` takes.
func timed<Result>(_ total: inout Duration, _ body: () throws -> Result) rethrows -> Result {
  let start = ContinuousClock.now
  defer { total += start.duration(to: .now) }
  return try body()
}
