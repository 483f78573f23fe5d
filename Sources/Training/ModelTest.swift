import CLIPModel
import Evaluation
import Kernels
import Reporting
import SkipTuning
import Tensors

/// What a test found, and the seconds that it took on each test set, features of the classes included.
struct TimedTest {
  var outcome: RunResults.TestOutcome
  var seconds: [String: Double]
}

/// Tests a model as it is on test sets, with progress on the console and lines in metrics.jsonl.
struct ModelTest<Product: MatrixProduct> {
  let inputs: TestInputs
  let settings: RunSettings
  let environment: TrainingRun<Product>.Environment
  let report: RunReport
  /// Called before each batch of any rank.
  var onStep: () throws -> Void = StopSignal.check
  /// Where features of test images are kept; nil where they are made for each test.
  var cache: RunFeatureCache?

  /// Accuracy on every test set, of the model as the run's method has tuned it, or of CLIP itself; `name` says which.
  ///
  /// Throws the same `Failure` on all ranks, `.requeue` where one was asked to stop. Collective: all ranks call this.
  func run(_ name: String, tuned isTuned: Bool) throws -> TimedTest {
    let evaluator = Evaluator(
      transform: inputs.transform, batchSize: settings.evaluation.batchSize,
      loaderThreads: settings.limits.loaderThreads ?? environment.threads, by: environment.product)
    var counts: [String: TestCounts] = [:]
    var seconds: [String: Double] = [:]
    var files = TestFiles(name)
    // No weight changes during a test.
    let model = inputs.model.freezing(.image, upTo: inputs.model.imageTower.depth, for: environment.product)
    for set in inputs.sets {
      var time: Duration = .zero
      counts[set.name] = try timed(&time) {
        let scoring = isTuned ? inputs.method?.scoring(model, set, by: environment.product) : nil
        return try test(
          set, name, by: evaluator,
          scoring ?? model.nearestText(of: set, from: inputs.frozenStage, by: environment.product), model, &files)
      }
      seconds[set.name] = time.inSeconds
    }
    let result = TimedTest(outcome: RunResults.TestOutcome(counts), seconds: seconds)
    record(result, name)
    report.write(files)
    return result
  }

  private func test(
    _ set: TestInputs.TestSet, _ name: String, by evaluator: Evaluator<Product>, _ scoring: any ClassScoring,
    _ model: CLIP, _ files: inout TestFiles
  ) throws -> TestCounts {
    let items = set.dataset.test
    environment.collectives.meter.place = "\(name) test"
    report.start("\(name) test, \(set.name) classes", unit: "image", total: items.count)
    let kept = try cache?.testFeatures(
      of: set, inputs.transform, FrozenPrefix(model, scoring.inputStage, environment.product), environment.collectives)
    let images = TestImages(set.dataset, items, by: scoring, kept: kept)
    var outcomes: [ImageOutcomes] = []
    let counts = try environment.trace.span("\(name) test, \(set.name)", .test, ["images": .integer(items.count)]) {
      try evaluator.evaluate(
        [images], settings.evaluation.schedule, environment.collectives, onStep: onStep,
        onProgress: { report.update($0) }, onSkipped: { report.warning("skipped: \($1.problem)") },
        onOutcomes: { outcomes.append($0) })[0]
    }
    files.add(set, counts.matrix, outcomes)
    report.finishProgress(note: "accuracy \(Readable.fixed(100 * (counts.matrix.accuracy ?? .nan), 2))%")
    if counts.skipped > 0 { report.warning("\(counts.skipped) of \(items.count) test images were skipped") }
    return counts
  }

  private func record(_ test: TimedTest, _ name: String) {
    for (set, score) in test.outcome.scores.sorted(by: { $0.key < $1.key }) {
      report.record([
        "test": .text(name), "classes": .text(set), "images": .integer(Int(score.images)),
        "correct": .integer(Int(score.correct)), "accuracy": score.accuracy.map { .double($0) } ?? nil,
        "macro_f1": score.macroF1.map { .double($0) } ?? nil, "seconds": .double(test.seconds[set]!),
      ])
    }
  }
}

extension CLIP {
  /// Images against the prompts of a test set; training changes nothing before `stage`.
  func nearestText(
    of set: TestInputs.TestSet, from stage: ImageStage, by product: some MatrixProduct
  ) -> NearestText {
    NearestText(self, classFeatures: unitTextFeatures(averaging: set.prompts, by: product), from: stage)
  }
}
