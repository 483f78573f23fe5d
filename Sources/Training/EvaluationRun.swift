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
    let (tuned, hash) = try findWeights()
    try collectives.agree {
      if let tuned { try judgeClasses(of: tuned, task) }
      if let tuned, !isShared || collectives.nodeRank == 0 {
        try inputs.model.apply(tuned, base: settings.model.path)
      }
    }
    let test = try test(inputs)
    return EvaluationResults(
      version: environment.version, dataset: inputs.whole.name, task: settings.task.rawValue,
      model: settings.model.path, weights: weights.words, source: tuned?.place, ranks: collectives.worldSize,
      threadsPerRank: environment.threads,
      provenance: ResultProvenance(inputs, settings, weights: fingerprint, tunedWeights: hash),
      test: test.outcome, testSeconds: test.seconds)
  }

  /// What is laid over the model, and the hash of its manifest where it is a checkpoint.
  private func findWeights() throws -> (TunedWeights?, Hash128?) {
    switch weights {
    case .zeroShot: return (nil, nil)
    case .delta(let path):
      return (try environment.collectives.agree { try TunedWeights(deltaFile: URL(fileURLWithPath: path)) }, nil)
    case .checkpoint(let path):
      let checkpoint = try Checkpoint.find(URL(fileURLWithPath: path), environment.collectives) {
        report.warning("passing over a damaged checkpoint: \($0)")
      }
      return (TunedWeights(checkpoint), checkpoint.hash)
    }
  }

  /// Throws where a linear probe, which knows its classes by their number alone, was trained on others.
  private func judgeClasses(of tuned: TunedWeights, _ task: TaskInputs) throws {
    guard settings.method.kind == .linearProbe, let trained = tuned.description.classNames,
      trained != task.whole.classNames
    else { return }
    throw Failure(
      .badData, at: tuned.place,
      "the linear probe was trained on the \(trained.count) classes of another data set than \(task.whole.name)",
      remedy: "test it on the data set of its training")
  }

  private func test(_ inputs: TestInputs) throws -> TimedTest {
    do {
      return try ModelTest(inputs: inputs, settings: settings, environment: environment, report: report)
        .run(weights.words, tuned: weights != .zeroShot)
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
