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
    /// Sum over the steps, by purpose.
    var exchangeSeconds: [String: Double] = [:]
    /// Sum over the steps.
    var keptClasses = 0
    /// Times that all ranks exchanged gradients, or what came of them.
    var exchanges = 0
    /// Whether a checkpoint was due since the last one that was begun.
    var isCheckpointDue = false
    var pace = TrainingPace()
    /// Whether training ended as it got no better.
    var isStoppedEarly = false

    var position: TrainingPosition { progress.position }
  }

  let settings: RunSettings
  let inputs: RunInputs
  let extractor: PrefixExtractor<Product>
  let step: any TrainingStep
  /// Frozen weights that may leave memory; nil where they stay.
  let resting: RestingWeights?
  let exchange: StepExchange
  let collectives: MeteredCollectives
  let report: RunReport
  let checkpoints: RunCheckpoints
  let evaluations: RunEvaluations
  let trace: TraceLog?

  /// Trains on until the epochs or the limit on steps are used up.
  func run(from progress: RunProgress) throws -> Outcome {
    var outcome = Outcome(progress: progress)
    let start = ContinuousClock.now
    while outcome.position.epoch < settings.optimizer.epochs,
      outcome.position.step < settings.limits.maxSteps ?? .max, try goesOn(&outcome)
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
    try evaluate(outcome)
    return outcome
  }

  /// Evaluates between epochs; false where training is to end as it gets no better.
  private func goesOn(_ outcome: inout Outcome) throws -> Bool {
    try evaluate(outcome)
    if try !outcome.isStoppedEarly && evaluations.isOutOfPatience() { outcome.isStoppedEarly = true }
    guard outcome.isStoppedEarly else { return true }
    report.info("training ends after \(outcome.position.step) steps: its checkpoints get no better")
    return false
  }

  /// Evaluates the state between two epochs, where that is due, after saving it.
  private func evaluate(_ outcome: Outcome) throws {
    guard evaluations.isDue(at: outcome.position) else { return }
    try exchange.settle()
    try checkpoints.complete()
    try checkpoints.save(outcome.progress)
    try checkpoints.complete()
    step.releaseActivations()
    try keepFrozen(Encoder.allCases, outcome)
    do {
      try evaluations.evaluate(at: outcome.position, loss: outcome.progress.loss)
    } catch let failure as Failure where failure.status == .requeue {
      try stop(outcome)
    }
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
    let features: FeatureStore
    do {
      step.releaseActivations()
      try keepFrozen([.image], outcome)
      features = try timed(&extraction) { try extract(Array(images[extracted]), epoch: epoch) }
    } catch let failure as Failure where failure.status == .requeue {
      try stop(outcome)
    }
    outcome.extraction += extraction
    report.recordFeatures(seconds: extraction.inSeconds)
    try keepFrozen([], outcome)
    let time = try runSteps(
      shares, features, firstImage: firstImage - extracted.lowerBound, batchCount: plan.count, &outcome)
    return
      "loss \(Readable.fixed(outcome.progress.epochLoss.mean ?? .nan, 4)), \(Readable.count(shares.count)) steps in "
      + "\(Readable.duration(time)), features \(Readable.duration(extraction))"
  }

  /// Takes one step for each of this rank's shares; `features` hold their images in the same order from `firstImage` on.
  private func runSteps(
    _ shares: [[Int]], _ features: FeatureStore, firstImage: Int, batchCount: Int, _ outcome: inout Outcome
  ) throws -> Duration {
    let epoch = outcome.position.epoch
    let rates = Dictionary(uniqueKeysWithValues: Encoder.allCases.map { ($0, rate(of: $0, epoch: epoch)) })
    report.start("\(title(epoch)) training", unit: "step", total: shares.count)
    defer { report.dropProgress() }
    var firstImage = firstImage
    var total: Duration = .zero
    var taken: [StepResult] = []
    for (index, share) in shares.enumerated() {
      let number = outcome.position.step
      collectives.meter.place = "step \(number)"
      let synchronizes =
        settings.exchange.isSynchronized(afterBatch: outcome.position.batch, of: batchCount)
        || index + 1 == shares.count
      let (result, news) = try trace.span("step \(number)", .run) {
        try takeStep(
          number, try features.features(of: firstImage..<firstImage + share.count), share, rates,
          synchronizes: synchronizes)
      }
      firstImage += share.count
      total += result.time
      taken.append(result)
      outcome.stepTimes.append(result.time)
      outcome.pace.add(seconds: result.time.inSeconds, sentBytes: result.cost.sentBytes)
      outcome.exchangeSeconds.merge(result.cost.seconds, uniquingKeysWith: +)
      outcome.keptClasses += result.keptClasses.count
      advance(&outcome.progress.position, batchCount: batchCount)
      if synchronizes {
        takeNote(of: taken, news, epoch: epoch, rates, &outcome)
        taken = []
        if news.isStopRequested { try stop(outcome) }
        if news.isEndRequested { outcome.isStoppedEarly = true }
      }
      report.update(index + 1, note: paceWords(outcome, batchCount: batchCount))
      report.tell(standing(outcome, batchCount: batchCount))
      try keepState(&outcome, news, isSynchronized: synchronizes)
      if outcome.isStoppedEarly { break }
    }
    return total
  }

  /// Loss, speed and time left of the whole run.
  private func paceWords(_ outcome: Outcome, batchCount: Int) -> String {
    outcome.pace.words(
      loss: outcome.progress.loss, globalBatch: inputs.globalBatch,
      stepsLeft: steps(batchCount: batchCount) - outcome.position.step, elapsed: outcome.pace.elapsed)
  }

  /// The same for programs.
  private func standing(_ outcome: Outcome, batchCount: Int) -> RunMonitor.Standing {
    let (pace, steps) = (outcome.pace, steps(batchCount: batchCount))
    return RunMonitor.Standing(
      position: outcome.position, steps: steps, loss: outcome.progress.loss,
      imagesPerSecond: pace.imagesPerSecond(globalBatch: inputs.globalBatch), sentBytes: pace.sentBytes,
      secondsLeft: pace.timeLeft(stepsLeft: steps - outcome.position.step, elapsed: pace.elapsed)?.inSeconds)
  }

  /// Steps of the whole run.
  private func steps(batchCount: Int) -> Int {
    min(settings.limits.maxSteps ?? .max, settings.optimizer.epochs * batchCount)
  }

  /// Counts and records steps of which all ranks have heard.
  private func takeNote(
    of steps: [StepResult], _ news: StepExchange.News, epoch: Int, _ rates: [Encoder: Double], _ outcome: inout Outcome
  ) {
    outcome.exchanges += 1
    for (step, news) in zip(steps, news.steps) {
      if news.isSkipped {
        outcome.skippedSteps += 1
        report.warning("step \(step.number) is left out: its loss or a gradient is not finite")
      } else {
        outcome.progress.loss = news.loss
        outcome.progress.epochLoss.add(news.loss)
      }
      record(step, epoch: epoch, loss: news.loss, rates)
    }
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
  ///
  /// One that falls due between two synchronisations waits for the second.
  private func keepState(_ outcome: inout Outcome, _ news: StepExchange.News, isSynchronized: Bool) throws {
    try checkpoints.continueWriting(isWrittenByAll: news.isCheckpointWritten)
    try evaluations.serve()
    if settings.checkpoint.isDue(at: outcome.position) { outcome.isCheckpointDue = true }
    guard isSynchronized, outcome.isCheckpointDue else { return }
    outcome.isCheckpointDue = false
    try exchange.settle()
    try checkpoints.save(outcome.progress)
  }

  /// Has the frozen weights of these encoders in memory, and of no others where they can be read again; where they cannot,
  /// saves the state before the run ends.
  func keepFrozen(_ encoders: [Encoder], _ outcome: Outcome) throws {
    do {
      try collectives.agree { try resting?.keep(encoders) }
    } catch {
      try exchange.settle()
      if settings.checkpoint.isEnabled { try checkpoints.saveAtOnce(outcome.progress) }
      throw error
    }
  }

  private func extract(_ images: [Int], epoch: Int) throws -> FeatureStore {
    collectives.meter.place = "\(title(epoch)), features"
    report.start("\(title(epoch)) features", unit: "image", total: images.count)
    defer { report.dropProgress() }
    return try trace.span("features of epoch \(epoch)", .features, ["images": .integer(images.count)]) {
      try collectives.agree {
        try extractor.extract(images, epoch: epoch) {
          report.update($0)
          try StopSignal.check()
          try evaluations.serve()
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
    let number: Int
    let keptClasses: [Int]
    let time: Duration
    let cost: ExchangeCost
  }

  /// Loss, gradients, and the update that follows from those of all ranks; or of this rank's group, and then what came of it
  /// on all where the step is the last before a synchronisation.
  private func takeStep(
    _ number: Int, _ images: PrefixFeatures, _ share: [Int], _ rates: [Encoder: Double], synchronizes: Bool
  ) throws -> (StepResult, StepExchange.News) {
    var time: Duration = .zero
    let before = ExchangeCost(collectives.meter)
    let kept = try timed(&time) {
      exchange.start(step: number, rates: rates, isShardWritten: checkpoints.isWritten)
      let result = try step.run(
        images: images, labels: share.map { inputs.training.train[$0].label }, globalBatch: exchange.group.batch,
        step: number, exchange: exchange)
      if result.hasGradients { try trace.span("end of step", .exchange) { try exchange.endStep() } }
      if synchronizes { try exchange.synchronize() }
      return result.keptClasses
    }
    let cost = ExchangeCost(collectives.meter) - before
    return (StepResult(number: number, keptClasses: kept, time: time, cost: cost), exchange.news)
  }

  private func record(_ step: StepResult, epoch: Int, loss: Double, _ rates: [Encoder: Double]) {
    report.record([
      "step": .integer(step.number), "epoch": .integer(epoch), "loss": .double(loss),
      "text_lr": .double(rates[.text]!), "image_lr": .double(rates[.image]!),
      "kept_classes": .list(step.keptClasses.map { .integer($0) }), "seconds": .double(step.time.inSeconds),
      "sent_bytes": .integer(step.cost.sentBytes), "exchange_seconds": step.cost.record,
    ])
  }
}

/// Adds the time that `body` takes.
func timed<Result>(_ total: inout Duration, _ body: () throws -> Result) rethrows -> Result {
  let start = ContinuousClock.now
  defer { total += start.duration(to: .now) }
  return try body()
}
