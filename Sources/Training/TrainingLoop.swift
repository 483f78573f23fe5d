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
    var progress: RunProgress
    /// Steps that were left out because something was not finite.
    var skippedSteps = 0
    var extraction: Duration = .zero
    var stepTimes: [Duration] = []
    /// Sum over the steps.
    var keptClasses = 0

    var position: TrainingPosition { progress.position }
  }

  let settings: RunSettings
  let inputs: RunInputs
  let extractor: PrefixExtractor<Product>
  let step: SkipTuningStep<ProgressingProduct<Product>>
  let exchange: StepExchange
  let collectives: MeteredCollectives
  let report: RunReport
  let checkpoints: RunCheckpoints
  let trace: TraceLog?

  /// Trains on until the epochs or the limit on steps are used up.
  func run(from progress: RunProgress) throws -> Outcome {
    var outcome = Outcome(progress: progress)
    let start = ContinuousClock.now
    while outcome.position.epoch < settings.optimizer.epochs,
      outcome.position.step < settings.limits.maxSteps ?? .max
    {
      let epoch = outcome.position.epoch
      let summary = try runEpoch(&outcome)
      let done = outcome.position.epoch - progress.position.epoch
      let left = start.duration(to: .now) / max(1, done) * (settings.optimizer.epochs - outcome.position.epoch)
      report.line("\(title(epoch)): \(summary), \(Readable.duration(left)) left")
    }
    try exchange.settle()
    // The last checkpoint is never left out: first the one that is being written is completed.
    try checkpoints.complete()
    if settings.checkpoint.isEnabled { try checkpoints.save(outcome.progress) }
    try checkpoints.complete()
    return outcome
  }

  /// Saves the state and ends all ranks with status 75.
  func stop(_ outcome: Outcome) throws -> Never {
    try exchange.settle()
    try checkpoints.saveAtOnce(outcome.progress)
    var failure = StopSignal.failure
    failure.problem += "; the state after \(outcome.position.step) steps is saved"
    throw failure
  }

  private func title(_ epoch: Int) -> String { "epoch \(epoch + 1)/\(settings.optimizer.epochs)" }

  /// Runs what is left of an epoch and returns it in words.
  private func runEpoch(_ outcome: inout Outcome) throws -> String {
    let epoch = outcome.position.epoch
    if outcome.position.batch == 0 { outcome.progress.epochLoss = RunningMean() }
    let stepsLeft = (settings.limits.maxSteps ?? .max) - outcome.position.step
    let plan = try collectives.agree { try inputs.plan(settings, epoch: epoch) }
    let epochShares = plan.map { batch in
      Array(batch[evenShard(of: batch.count, rank: collectives.rank, worldSize: collectives.worldSize)])
    }
    let shares = Array(epochShares[outcome.position.batch...].prefix(stepsLeft))
    let firstImage = epochShares[..<outcome.position.batch].reduce(0) { $0 + $1.count }
    let imageCount = shares.reduce(0) { $0 + $1.count }
    let images = epochShares.flatMap { $0 }
    let extracted = PrefixExtractor<Product>.wholeBatches(firstImage..<firstImage + imageCount, of: images.count)
    var extraction: Duration = .zero
    let features: PrefixFeatures
    do {
      features = try timed(&extraction) { try extract(Array(images[extracted]), epoch: epoch) }
    } catch let failure as Failure where failure.status == .requeue {
      try stop(outcome)
    }
    outcome.extraction += extraction
    let time = try runSteps(
      shares, features, firstImage: firstImage - extracted.lowerBound, batchCount: plan.count, &outcome)
    return
      "loss \(Readable.fixed(outcome.progress.epochLoss.mean ?? .nan, 4)), \(Readable.count(shares.count)) steps in "
      + "\(Readable.duration(time)), features \(Readable.duration(extraction))"
  }

  /// Takes one step for each of this rank's shares; `features` hold their images in the same order from `firstImage` on.
  private func runSteps(
    _ shares: [[Int]], _ features: PrefixFeatures, firstImage: Int, batchCount: Int, _ outcome: inout Outcome
  ) throws -> Duration {
    let epoch = outcome.position.epoch
    let rates = Dictionary(uniqueKeysWithValues: Encoder.allCases.map { ($0, rate(of: $0, epoch: epoch)) })
    report.start("\(title(epoch)) training", unit: "step", total: shares.count)
    defer { report.dropProgress() }
    var firstImage = firstImage
    var total: Duration = .zero
    for (index, share) in shares.enumerated() {
      var time: Duration = .zero
      let number = outcome.position.step
      collectives.meter.place = "step \(number)"
      let result = try timed(&time) {
        try trace.span("step \(number)", .run) {
          try takeStep(number, features.window(firstImage..<firstImage + share.count), share, rates)
        }
      }
      firstImage += share.count
      total += time
      if result.news.isSkipped {
        outcome.skippedSteps += 1
        report.warning("step \(number) is left out: its loss or a gradient is not finite")
      } else {
        outcome.progress.loss = result.news.loss
        outcome.progress.epochLoss.add(result.news.loss)
      }
      outcome.stepTimes.append(time)
      outcome.keptClasses += result.keptClasses.count
      record(number, epoch: epoch, result, rates, time)
      report.update(index + 1, note: "loss \(Readable.fixed(result.news.loss, 4))")
      advance(&outcome.progress.position, batchCount: batchCount)
      if result.news.isStopRequested { try stop(outcome) }
      try keepState(outcome, isWritten: result.news.isCheckpointWritten)
    }
    return total
  }

  private func advance(_ position: inout TrainingPosition, batchCount: Int) {
    position.step += 1
    position.batch += 1
    if position.batch == batchCount {
      position.epoch += 1
      position.batch = 0
    }
  }

  /// Goes on with the checkpoint that all ranks have done their part of, and starts the next where one is due.
  private func keepState(_ outcome: Outcome, isWritten: Bool) throws {
    try checkpoints.continueWriting(isWrittenByAll: isWritten)
    if settings.checkpoint.isDue(at: outcome.position) {
      try exchange.settle()
      try checkpoints.save(outcome.progress)
    }
  }

  private func extract(_ images: [Int], epoch: Int) throws -> PrefixFeatures {
    collectives.meter.place = "\(title(epoch)), features"
    report.start("\(title(epoch)) features", unit: "image", total: images.count)
    defer { report.dropProgress() }
    return try trace.span("features of epoch \(epoch)", .features, ["images": .integer(images.count)]) {
      try collectives.agree {
        try extractor.extract(images, epoch: epoch) {
          report.update($0)
          try StopSignal.check()
        }
      }
    }
  }

  private func rate(of encoder: Encoder, epoch: Int) -> Double {
    settings.optimizer.schedule(of: encoder, globalBatch: inputs.globalBatch).rate(epoch: epoch)
  }
}

// MARK: - One step

extension TrainingLoop {
  private struct StepResult {
    let news: StepExchange.News
    let keptClasses: [Int]
  }

  /// Loss, gradients, and the update that follows from those of all ranks.
  private func takeStep(
    _ number: Int, _ images: PrefixFeatures, _ share: [Int], _ rates: [Encoder: Double]
  ) throws -> StepResult {
    exchange.start(step: number, rates: rates, isShardWritten: checkpoints.isWritten)
    let result = try step.run(
      images: images, labels: share.map { inputs.training.train[$0].label }, globalBatch: inputs.globalBatch,
      step: number, exchange: exchange)
    if result.hasGradients { try trace.span("end of step", .exchange) { try exchange.endStep() } }
    return StepResult(news: exchange.news, keptClasses: result.keptClasses)
  }

  private func record(
    _ number: Int, epoch: Int, _ result: StepResult, _ rates: [Encoder: Double], _ time: Duration
  ) {
    report.record([
      "step": .integer(number), "epoch": .integer(epoch), "loss": .double(result.news.loss),
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
