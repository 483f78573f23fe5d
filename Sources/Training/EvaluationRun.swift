import CLIPModel
import Checkpoints
import Diagnostics
import Foundation
import Kernels
import ShardFiles
import TunedModels

/// Which weights are tested.
public enum TestedWeights: Equatable, Sendable {
  /// Those of the model.
  case zeroShot
  /// A delta file laid over them.
  case delta(path: String)
  /// A checkpoint, or the newest whole one of a run, laid over them.
  case checkpoint(path: String)
}

/// A test of a model on the test sets of a configuration.
public struct EvaluationRun<Product: MatrixProduct> {
  private let settings: RunSettings
  private let weights: TestedWeights
  private let environment: TrainingRun<Product>.Environment
  private let report: RunReport

  /// A test that has not begun.
  public init(_ settings: RunSettings, _ weights: TestedWeights, _ environment: TrainingRun<Product>.Environment) {
    self.settings = settings
    self.weights = weights
    self.environment = environment
    report = RunReport(console: environment.console, log: environment.log, rank: environment.collectives.rank)
    environment.collectives.deadline = .seconds(settings.limits.collectiveTimeout)
  }

  /// Runs to the end and returns the results, the same on all ranks but for times.
  ///
  /// Throws the same `Failure` on all ranks. Collective: all ranks call this with the same settings.
  public func run() throws -> EvaluationResults {
    let collectives = environment.collectives
    let isShared = collectives.hasSharedHosts
    let task = try collectives.agree { try TaskInputs(settings) }
    let model = try CLIP.read(task.weights, for: task.method, isShared: isShared, among: collectives)
    try collectives.agree { try task.weights.allNotes() }.forEach(report.info)
    let inputs = try collectives.agree {
      let inputs = try TestInputs(settings, task, model)
      // One look per node is enough: its ranks see the same disks.
      if collectives.nodeRank == 0 { try inputs.verifyImagesExist() }
      return inputs
    }
    let fingerprint = BaseFingerprint.of(inputs.model)
    let found = try FoundWeights(weights, collectives) { report.warning("passing over a damaged checkpoint: \($0)") }
    try collectives.agree {
      try found.judgeClasses(of: task)
      if let tuned = found.tuned, !isShared || collectives.nodeRank == 0 {
        try inputs.model.apply(tuned, base: settings.model.path)
      }
    }
    let test = try test(inputs)
    return EvaluationResults(
      version: environment.version, dataset: inputs.whole.name, task: settings.task.rawValue,
      model: settings.model.path, weights: weights.words, source: found.tuned?.place, ranks: collectives.worldSize,
      threadsPerRank: environment.threads,
      provenance: ResultProvenance(inputs, settings, weights: fingerprint, tunedWeights: found.hash),
      test: test.outcome, testSeconds: test.seconds)
  }

  private func test(_ inputs: TestInputs) throws -> TimedTest {
    do {
      var test = ModelTest(inputs: inputs, settings: settings, environment: environment, report: report)
      let cache = RunFeatureCache(settings.features, environment, report: report)
      test.cache = cache
      let result = try test.run(weights.words, tuned: weights != .zeroShot)
      try cache.sayCounts(environment.collectives)
      return result
    } catch var failure as Failure where failure.status == .requeue {
      failure.remedy = "start the same command again"
      throw failure
    }
  }
}

extension TestedWeights {
  /// As in results.
  var words: String {
    switch self {
    case .zeroShot: "zero-shot"
    case .delta: "delta"
    case .checkpoint: "checkpoint"
    }
  }
}
