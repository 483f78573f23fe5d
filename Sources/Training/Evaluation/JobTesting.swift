import CLIPModel
import Collectives
import Datasets
import Evaluation
import Kernels
import Tensors

/// Tests a model as it is on what a ledger does not know yet, all images in one queue.
struct JobTesting<Product: MatrixProduct> {
  let settings: RunSettings
  let environment: TrainingRun<Product>.Environment
  let report: RunReport
  let cache: RunFeatureCache

  private var collectives: any MessagePassing { environment.collectives }

  /// Those of `own`, indices of the ledger's tests, that are not finished; the same on all ranks.
  ///
  /// Only rank 0 has a ledger. Collective: all ranks call this.
  func open(_ own: [Int], _ ledger: EvaluationLedger?) throws -> [Int] {
    let flags = own.map { test -> UInt8 in ledger.map { $0.todo(test).isEmpty ? 0 : 1 } ?? 0 }
    let isOpen = try collectives.allGather(flags)[0]
    return zip(own, isOpen).filter { $1 == 1 }.map(\.0)
  }

  /// Tests `model` on the tests `open` of `all`.
  ///
  /// `onStep` is called before each batch of any rank, `onOutcomes` on rank 0 with the test and the images that are done.
  /// Throws as `Evaluator.evaluate`. Collective: all ranks call this.
  func run(
    _ open: [Int], of all: [JobTest], _ model: CLIP, _ transform: ImageTransform, name: String,
    _ ledger: EvaluationLedger?, onStep: @escaping () throws -> Void = StopSignal.check,
    onOutcomes: @escaping (_ test: Int, _ done: Int) throws -> Void = { _, _ in }
  ) throws {
    let sets = try images(open.map { all[$0] }, model, transform)
    let evaluator = Evaluator(
      transform: transform, batchSize: settings.evaluation.batchSize,
      loaderThreads: settings.limits.loaderThreads ?? environment.threads, by: environment.product)
    let todo = open.map { ledger?.todo($0) ?? [] }
    var done = 0
    report.start(
      "\(name), \(open.count) test \(open.count == 1 ? "set" : "sets")", unit: "image",
      total: todo.joined().reduce(0) { $0 + $1.count })
    try evaluator.evaluate(
      sets, todo: todo, settings.evaluation.schedule, collectives, onStep: onStep
    ) { set, outcomes in
      try ledger!.add(outcomes, to: open[set])
      for image in outcomes.skipped { report.warning("skipped: \(image.problem)") }
      done += outcomes.range.count
      report.update(done)
      try onOutcomes(open[set], done)
    }
    report.finishProgress()
  }

  /// The images of tests, with what tells their classes apart.
  private func images(_ tests: [JobTest], _ model: CLIP, _ transform: ImageTransform) throws -> [TestImages] {
    let stage = settings.method.frozenStage
    // No weight changes during a test.
    let frozen = model.freezing(.image, upTo: model.imageTower.depth, for: environment.product)
    let scorings = tests.map { $0.method?.scoring(frozen, $0.set, by: environment.product) }
    let plain = tests.indices.filter { scorings[$0] == nil }
    let features = try ClassTexts(plain.map { tests[$0].set.prompts })
      .features(model, collectives, by: environment.product)
    let nearest = Dictionary(
      uniqueKeysWithValues: zip(plain, features).map { ($0, NearestText(frozen, classFeatures: $1, from: stage)) })
    return try tests.enumerated().map { index, test in
      let scoring: any ClassScoring = scorings[index] ?? nearest[index]!
      return TestImages(
        test.set.dataset, test.items, by: scoring,
        kept: try cache.testFeatures(
          of: test.set, transform, FrozenPrefix(frozen, scoring.inputStage, environment.product), collectives))
    }
  }
}
