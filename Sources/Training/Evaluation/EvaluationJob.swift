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
  /// Weights that were tuned from the same block on share the features before it.
  private let cache: RunFeatureCache

  /// A job that has not begun.
  public init(_ plan: EvaluationPlan, _ environment: TrainingRun<Product>.Environment) {
    self.plan = plan
    self.environment = environment
    report = RunReport(console: environment.console, log: environment.log, rank: environment.collectives.rank)
    cache = RunFeatureCache(plan.datasets[0].features, environment, report: report)
    environment.collectives.deadline = .seconds(plan.datasets[0].limits.collectiveTimeout)
  }

  /// What the tests work on, loaded and judged.
  private struct Inputs {
    let loaded: JobInputs
    /// Nil where every data set is left out.
    let overlay: ModelOverlay?
    let weights: [FoundWeights]
    let tests: [JobTest]
  }

  private var collectives: any MessagePassing { environment.collectives }
  private var isFirst: Bool { collectives.rank == 0 }
  private var settings: RunSettings { plan.datasets[0] }

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
      isFirst ? try EvaluationLedger(inputs.tests, batchSize: settings.evaluation.batchSize, in: directory) : nil
    }
    let writer = ledger.map { JobWriter(plan, $0, inputs.loaded.missing, directory, results: results) }
    announce(ledger)
    // A job that is killed leaves results that say of themselves that they are partial.
    try collectives.agree { try writer?.writeIfDue(isTestFinished: true) }
    do {
      for index in plan.weights.indices { try test(index, inputs, ledger, writer) }
      try cache.sayCounts(collectives)
    } catch var failure as Failure {
      if failure.status != .internalError { _ = try? finish(writer, directory) }
      if failure.status == .requeue {
        failure.remedy = "start the same command again" + (plan.folder == nil ? "" : " to go on")
      }
      throw failure
    }
    return try collectives.agree { try finish(writer, directory) }
  }

  /// Writes what is known, and the page of it.
  private func finish(_ writer: JobWriter?, _ directory: JobDirectory?) throws -> JobResults? {
    let results = try writer?.write()
    if settings.output.report, let directory { report.describe(directory.url) }
    return results
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
    let isShared = collectives.hasSharedHosts
    let loaded = try JobInputs(
      plan.datasets, collectives, report: report,
      judge: { task in for found in weights { try found.judgeClasses(of: task) } },
      model: { try CLIP.read($0.weights, for: $0.method, isShared: isShared, among: collectives) })
    let overlay = loaded.model.map { ModelOverlay($0, loaded.task!, isShared: isShared, among: collectives) }
    let tests = weights.indices.flatMap {
      loaded.tests(ofWeights: $0, weights[$0].hash, batchSize: settings.evaluation.batchSize)
    }
    return Inputs(loaded: loaded, overlay: overlay, weights: weights, tests: tests)
  }

  // MARK: Tests

  /// Tests one model on what is not finished.
  private func test(_ index: Int, _ inputs: Inputs, _ ledger: EvaluationLedger?, _ writer: JobWriter?) throws {
    let testing = JobTesting(settings: settings, environment: environment, report: report, cache: cache)
    cache.keepsTests = index + 1 < plan.weights.count
    let open = try testing.open(inputs.tests.indices.filter { inputs.tests[$0].weights == index }, ledger)
    guard !open.isEmpty, let transform = inputs.loaded.transform, let model = inputs.overlay?.model else { return }
    let name = plan.weights[index].name
    environment.collectives.meter.place = "test of \(name)"
    try inputs.overlay?.lay(inputs.weights[index].tuned)
    try testing.run(
      open, of: inputs.tests, model, transform, name: name, ledger,
      onOutcomes: { test, _ in try writer?.writeIfDue(isTestFinished: ledger!.todo(test).isEmpty) })
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
