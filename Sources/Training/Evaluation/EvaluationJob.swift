import CLIPModel
import Checkpoints
import Collectives
import Datasets
import Diagnostics
import Evaluation
import Files
import Foundation
import Kernels
import Reporting
import ShardFiles
import TunedModels

/// Tests many models on many data sets, each (model, data set) pair once: what a job that was stopped has tested is kept.
///
/// The images of all data sets are in one queue; models come one after the other, as their weights are laid over the same
/// base.
public struct EvaluationJob<Product: MatrixProduct> {
  private let plan: EvaluationPlan
  private let environment: TrainingRun<Product>.Environment
  private let report: RunReport

  /// A job that has not begun.
  public init(_ plan: EvaluationPlan, _ environment: TrainingRun<Product>.Environment) {
    self.plan = plan
    self.environment = environment
    report = RunReport(console: environment.console, log: environment.log, rank: environment.collectives.rank)
    environment.collectives.deadline = .seconds(plan.datasets[0].limits.collectiveTimeout)
  }

  /// What the tests work on, loaded and judged.
  private struct Inputs {
    /// Nil where every data set is left out.
    let overlay: ModelOverlay?
    let weights: [FoundWeights]
    let transform: ImageTransform?
    let tests: [JobTest]
    let missing: [JobResults.Missing]
  }

  private var collectives: any MessagePassing { environment.collectives }
  private var isFirst: Bool { collectives.rank == 0 }
  private var settings: RunSettings { plan.datasets[0] }
  private var batchSize: Int { settings.evaluation.batchSize }

  /// Runs to the end and returns the results, on rank 0; nil on the others.
  ///
  /// Throws the same `Failure` on all ranks; what is known by then is in the folder, labelled as partial. Collective: all
  /// ranks call this with the same plan.
  public func run() throws -> JobResults? {
    let directory = try collectives.agree {
      isFirst ? try plan.folder.map { try JobDirectory(claiming: $0, of: .evaluation) } : nil
    }
    let inputs = try load()
    let ledger = try collectives.agree {
      isFirst ? try EvaluationLedger(inputs.tests, batchSize: batchSize, in: directory) : nil
    }
    let writer = ledger.map { JobWriter(plan, $0, inputs.missing, directory, results: results) }
    announce(ledger)
    // A job that is killed leaves results that say of themselves that they are partial.
    try collectives.agree { try writer?.writeIfDue(isTestFinished: true) }
    do {
      for index in plan.weights.indices { try test(index, inputs, ledger, writer) }
    } catch var failure as Failure {
      if failure.status != .internalError { _ = try? writer?.write() }
      if failure.status == .requeue {
        failure.remedy = "start the same command again" + (plan.folder == nil ? "" : " to go on")
      }
      throw failure
    }
    return try collectives.agree { try writer?.write() }
  }

  private func announce(_ ledger: EvaluationLedger?) {
    guard let ledger else { return }
    if ledger.damagedLines > 0 {
      report.warning("\(ledger.damagedLines) lines of the journal are cut off or damaged and count for nothing")
    }
    let known = ledger.tests.indices.reduce(0) { $0 + ledger.knownCount($1) }
    let total = ledger.tests.reduce(0) { $0 + $1.items.count }
    let finished = ledger.tests.indices.count { ledger.todo($0).isEmpty }
    if known > 0 {
      report.info(
        "\(finished) of \(ledger.tests.count) tests are finished, \(known) of \(total) images are tested already")
    }
  }

  // MARK: Inputs

  private func load() throws -> Inputs {
    // First what all data sets need, so that its lack is not taken for that of a data set.
    try collectives.agree {
      let file = try WeightsFile(settings.model.source())
      _ = try CLIPTokenizer(file.source, file.configuration)
      return try file.allNotes()
    }.forEach(report.info)
    let weights = try plan.weights.map { tested in
      try FoundWeights(tested, collectives) { report.warning("passing over a damaged checkpoint: \($0)") }
    }
    var missing: [JobResults.Missing] = []
    let tasks = try plan.datasets.map { try presence(of: $0, &missing) { try task($0, weights) } }
    guard let first = tasks.lazy.compactMap({ $0 }).first else {
      return Inputs(overlay: nil, weights: weights, transform: nil, tests: [], missing: missing)
    }
    try collectives.agree { try judge(tasks.compactMap { $0 }, like: first) }
    let isShared = collectives.hasSharedHosts
    let model = try CLIP.read(first.weights, for: first.method, isShared: isShared, among: collectives)
    let inputs = try zip(plan.datasets, tasks).map { settings, task -> TestInputs? in
      guard let task else { return nil }
      return try presence(of: settings, &missing) { try testInputs($0, task, model) }
    }
    return Inputs(
      overlay: ModelOverlay(model, first, isShared: isShared, among: collectives), weights: weights,
      transform: inputs.lazy.compactMap { $0?.transform }.first, tests: tests(inputs, weights, model), missing: missing)
  }

  private func task(_ settings: RunSettings, _ weights: [FoundWeights]) throws -> TaskInputs {
    let task = try TaskInputs(settings)
    for found in weights { try found.judgeClasses(of: task) }
    return task
  }

  private func testInputs(_ settings: RunSettings, _ task: TaskInputs, _ model: CLIP) throws -> TestInputs {
    let inputs = try TestInputs(settings, task, model)
    // One look per node is enough: its ranks see the same disks.
    if collectives.nodeRank == 0 { try inputs.verifyImagesExist() }
    return inputs
  }

  /// Throws unless the method adds the same parameters to the model whatever the data set.
  private func judge(_ tasks: [TaskInputs], like first: TaskInputs) throws {
    func additions(_ task: TaskInputs) -> [ParameterLayout.Addition] {
      task.method?.additions(to: task.weights.configuration) ?? []
    }
    guard let other = tasks.first(where: { additions($0) != additions(first) }) else { return }
    throw Failure(
      .usage, at: "--datasets",
      "\(settings.method.kind.rawValue) has other parameters for \(other.whole.name) than for \(first.whole.name)",
      remedy: "evaluate them in two jobs")
  }

  private func tests(_ inputs: [TestInputs?], _ weights: [FoundWeights], _ model: CLIP) -> [JobTest] {
    let base = BaseFingerprint.of(model)
    return weights.indices.flatMap { index in
      inputs.enumerated().flatMap { place, inputs in
        (inputs?.sets ?? []).map { set in
          JobTest(
            inputs!, set, plan.datasets[place], weights: index, dataset: place, base, weights[index].hash,
            batchSize: batchSize)
        }
      }
    }
  }

  /// What `read` finds of a data set; nil where that is not there and is to be left out.
  private func presence<Found>(
    of settings: RunSettings, _ missing: inout [JobResults.Missing], _ read: (RunSettings) throws -> Found
  ) throws -> Found? {
    do {
      return try collectives.agree { try read(settings) }
    } catch let failure as Failure where failure.status == .missingInput && skipsMissing {
      let name = try settings.data.location().name
      report.warning("\(name) is left out: \(failure)")
      missing.append(JobResults.Missing(dataset: name, problem: "\(failure)"))
      return nil
    }
  }

  private var skipsMissing: Bool { settings.evaluation.onMissingData == .skip }

  // MARK: Tests

  /// Tests one model on what is not finished.
  private func test(_ index: Int, _ inputs: Inputs, _ ledger: EvaluationLedger?, _ writer: JobWriter?) throws {
    let all = inputs.tests
    let own = all.indices.filter { all[$0].weights == index }
    let flags = own.map { test -> UInt8 in ledger.map { $0.todo(test).isEmpty ? 0 : 1 } ?? 0 }
    let isOpen = try collectives.allGather(flags)[0]
    let open = zip(own, isOpen).filter { $1 == 1 }.map(\.0)
    guard !open.isEmpty, let transform = inputs.transform, let model = inputs.overlay?.model else { return }
    environment.collectives.meter.place = "test of \(plan.weights[index].name)"
    try inputs.overlay?.lay(inputs.weights[index].tuned)
    let sets = try images(open.map { all[$0] }, model)
    let evaluator = Evaluator(
      transform: transform, batchSize: batchSize,
      loaderThreads: settings.limits.loaderThreads ?? environment.threads, by: environment.product)
    try evaluate(sets, open, evaluator, name: plan.weights[index].name, ledger, writer)
  }

  /// The images of tests, with what tells their classes apart.
  private func images(_ tests: [JobTest], _ model: CLIP) throws -> [TestImages] {
    // No weight changes during a test.
    let frozen = model.freezing(.image, upTo: model.imageTower.depth, for: environment.product)
    let scorings = tests.map { $0.method?.scoring(frozen, $0.set, by: environment.product) }
    let plain = tests.indices.filter { scorings[$0] == nil }
    let features = try ClassTexts(plain.map { tests[$0].set.prompts })
      .features(model, collectives, by: environment.product)
    let nearest = Dictionary(
      uniqueKeysWithValues: zip(plain, features).map { ($0, NearestText(frozen, classFeatures: $1)) })
    return tests.enumerated().map { index, test in
      TestImages(test.set.dataset, test.items, by: scorings[index] ?? nearest[index]!)
    }
  }

  private func evaluate(
    _ sets: [TestImages], _ open: [Int], _ evaluator: Evaluator<Product>, name: String, _ ledger: EvaluationLedger?,
    _ writer: JobWriter?
  ) throws {
    let todo = open.map { ledger?.todo($0) ?? [] }
    var done = 0
    report.start(
      "\(name), \(open.count) test \(open.count == 1 ? "set" : "sets")", unit: "image",
      total: todo.joined().reduce(0) { $0 + $1.count })
    try evaluator.evaluate(
      sets, todo: todo, settings.evaluation.schedule, collectives, onStep: StopSignal.check
    ) { set, outcomes in
      try ledger!.add(outcomes, to: open[set])
      for image in outcomes.skipped { report.warning("skipped: \(image.problem)") }
      done += outcomes.range.count
      report.update(done)
      try writer?.writeIfDue(isTestFinished: ledger!.todo(open[set]).isEmpty)
    }
    report.finishProgress()
  }

  private func results(_ ledger: EvaluationLedger, _ missing: [JobResults.Missing]) -> JobResults {
    let tests = ledger.tests.enumerated().map { index, test in
      JobResults.Test(test, plan.weights[test.weights], ledger, at: index)
    }
    let asked = Dictionary(plan.datasets.map { ($0.task.rawValue, 1) }, uniquingKeysWith: +)
    let isFinished = missing.isEmpty && tests.allSatisfy { $0.state == .finished }
    return JobResults(
      version: environment.version, state: isFinished ? .finished : .partial, model: settings.model.path,
      ranks: collectives.worldSize, threadsPerRank: environment.threads,
      precision: settings.compute.precision.rawValue, tests: tests, harmonicMeans: JobResults.harmonicMeans(tests),
      averages: JobResults.averages(tests, asked: asked), missing: missing)
  }
}
