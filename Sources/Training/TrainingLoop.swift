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
  /// What came of the loop.
  struct Outcome {
    var epochs = 0
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
  private let momentum: ParameterStore

  init(
    settings: RunSettings, inputs: RunInputs, extractor: PrefixExtractor<Product>, step: SkipTuningStep<Product>,
    trained: TrainedParameters, collectives: MeteredCollectives, report: RunReport
  ) {
    self.settings = settings
    self.inputs = inputs
    self.extractor = extractor
    self.step = step
    self.trained = trained
    self.collectives = collectives
    self.report = report
    momentum = trained.makeStore(inputs.model.parameters.layout)
  }

  /// Trains until the epochs or the limit on steps are used up.
  func run() throws -> Outcome {
    var outcome = Outcome()
    let start = ContinuousClock.now
    for epoch in 0..<settings.optimizer.epochs {
      let stepsLeft = (settings.limits.maxSteps ?? .max) - outcome.stepTimes.count
      guard stepsLeft > 0 else { break }
      let summary = try run(epoch: epoch, stepsLeft: stepsLeft, &outcome)
      outcome.epochs += 1
      let left = start.duration(to: .now) / outcome.epochs * (settings.optimizer.epochs - outcome.epochs)
      report.line("\(title(epoch)): \(summary), \(Readable.duration(left)) left")
    }
    return outcome
  }

  private func title(_ epoch: Int) -> String { "epoch \(epoch + 1)/\(settings.optimizer.epochs)" }

  /// Runs one epoch and returns it in words.
  private func run(epoch: Int, stepsLeft: Int, _ outcome: inout Outcome) throws -> String {
    let batches = try collectives.agree { try inputs.plan(settings, epoch: epoch) }.prefix(stepsLeft)
    let shares = batches.map { batch in
      Array(batch[evenShard(of: batch.count, rank: collectives.rank, worldSize: collectives.worldSize)])
    }
    var extraction: Duration = .zero
    let features = try timed(&extraction) { try extract(shares.flatMap { $0 }, epoch: epoch) }
    outcome.extraction += extraction

    let rates = Dictionary(uniqueKeysWithValues: Encoder.allCases.map { ($0, rate(of: $0, epoch: epoch)) })
    report.start("\(title(epoch)) training", unit: "step", total: batches.count)
    var firstImage = 0
    var lossSum = 0.0
    var training: Duration = .zero
    for (index, share) in shares.enumerated() {
      var time: Duration = .zero
      let number = outcome.stepTimes.count
      let result = try timed(&time) {
        try takeStep(number, features.window(firstImage..<firstImage + share.count), share, rates)
      }
      firstImage += share.count
      lossSum += result.loss
      training += time
      outcome.finalLoss = result.loss
      outcome.stepTimes.append(time)
      record(number, epoch: epoch, result, rates, time)
      report.update(index + 1, note: "loss \(Readable.fixed(result.loss, 4))")
    }
    report.dropProgress()
    return "loss \(Readable.fixed(lossSum / Double(batches.count), 4)), \(Readable.count(batches.count)) steps in "
      + "\(Readable.duration(training)), features \(Readable.duration(extraction))"
  }

  private func extract(_ images: [Int], epoch: Int) throws -> PrefixFeatures {
    report.start("\(title(epoch)) features", unit: "image", total: images.count)
    defer { report.dropProgress() }
    return try collectives.agree {
      try extractor.extract(images, epoch: epoch) { report.update($0) }
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
    let loss = try reduceLoss(result.losses, step: number)
    for encoder in Encoder.allCases {
      let window = trained.windows[encoder]!
      settings.optimizer.sgd.update(
        inputs.model.parameters.values(in: window), gradient: step.gradients.values(in: window),
        momentumBuffer: momentum.values(in: window), rate: rates[encoder]!)
    }
    return StepResult(loss: loss, keptClasses: result.keptClasses)
  }

  /// The mean loss of the global batch.
  ///
  /// Throws on all ranks where it is not finite, or where rank 0 cannot write.
  private func reduceLoss(_ losses: [Double], step: Int) throws -> Double {
    var sums = [losses.reduce(0, +), report.hasTrouble ? 1 : 0]
    try collectives.meter.phase("losses") { try collectives.allReduce(&sums, .sum) }
    if sums[1] > 0 { try collectives.agree { try report.check() } }
    let loss = sums[0] / Double(inputs.globalBatch)
    guard loss.isFinite else {
      throw Failure(
        .badData, at: "step \(step)", "the loss is \(loss.isNaN ? "not a number" : "infinite"): training has diverged",
        remedy: "lower optim.text_lr and optim.image_lr")
    }
    return loss
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
