import CLIPModel
import Evaluation
import Kernels
import Reporting
import SkipTuning
import Tensors

/// Tests a model as it is on test sets, with progress on the console and lines in metrics.jsonl.
struct ModelTest<Product: MatrixProduct> {
  let inputs: TestInputs
  let settings: RunSettings
  let environment: TrainingRun<Product>.Environment
  let report: RunReport

  /// Accuracy on every test set; `name` says which model is tested.
  ///
  /// Throws the same `Failure` on all ranks, `.requeue` where one was asked to stop. Collective: all ranks call this.
  func run(_ name: String) throws -> RunResults.TestOutcome {
    let evaluator = Evaluator(
      transform: inputs.transform, batchSize: settings.evaluation.batchSize,
      loaderThreads: settings.limits.loaderThreads ?? environment.threads, by: environment.product)
    var counts: [String: TestCounts] = [:]
    // No weight changes during a test.
    let model = inputs.model.freezing(.image, upTo: inputs.model.imageTower.depth, for: environment.product)
    for set in inputs.sets { counts[set.name] = try test(set, name, model, by: evaluator) }
    let outcome = RunResults.TestOutcome(counts)
    record(outcome, name)
    return outcome
  }

  private func test(
    _ set: TestInputs.TestSet, _ name: String, _ model: CLIP, by evaluator: Evaluator<Product>
  ) throws -> TestCounts {
    let features = model.unitTextFeatures(
      of: model.textPrefix(set.prompts, upTo: 0, arena: Arena(), by: environment.product), from: 0,
      by: environment.product)
    let items = set.dataset.test
    environment.collectives.meter.place = "\(name) test"
    report.start("\(name) test, \(set.name) classes", unit: "image", total: items.count)
    let images = TestImages(set.dataset, items, by: NearestText(model, classFeatures: features))
    let counts = try environment.trace.span("\(name) test, \(set.name)", .test, ["images": .integer(items.count)]) {
      try evaluator.evaluate(
        [images], settings.evaluation.schedule, environment.collectives, onStep: StopSignal.check,
        onProgress: { report.update($0) }, onSkipped: { report.warning("skipped: \($1.problem)") })[0]
    }
    report.finishProgress(note: "accuracy \(Readable.fixed(100 * (counts.matrix.accuracy ?? .nan), 2))%")
    if counts.skipped > 0 { report.warning("\(counts.skipped) of \(items.count) test images were skipped") }
    return counts
  }

  private func record(_ outcome: RunResults.TestOutcome, _ name: String) {
    for (set, score) in outcome.scores.sorted(by: { $0.key < $1.key }) {
      report.record([
        "test": .text(name), "classes": .text(set), "images": .integer(Int(score.images)),
        "correct": .integer(Int(score.correct)), "accuracy": score.accuracy.map { .double($0) } ?? nil,
        "macro_f1": score.macroF1.map { .double($0) } ?? nil,
      ])
    }
  }
}
