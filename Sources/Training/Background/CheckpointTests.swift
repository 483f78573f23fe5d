import CLIPModel
import Collectives
import Diagnostics
import Foundation
import Kernels
import Reporting
import ShardFiles

/// The tests that a run's checkpoints pass through, on its own data set and others, with a journal in `<run_dir>/evaluations`:
/// what was tested before the run was stopped is not tested again.
final class CheckpointTests<Product: MatrixProduct> {
  private let settings: RunSettings
  private let environment: TrainingRun<Product>.Environment
  private let testing: JobTesting<Product>
  private let inputs: JobInputs
  private let cache: RunFeatureCache
  /// Claimed on rank 0 when the first checkpoint comes: the run directory must have been taken by then.
  private var directory: JobDirectory?

  /// Tests of inputs that were loaded by `inputs`.
  init(
    _ settings: RunSettings, _ inputs: JobInputs, _ environment: TrainingRun<Product>.Environment, report: RunReport,
    cache: RunFeatureCache
  ) {
    (self.settings, self.inputs, self.environment, self.cache) = (settings, inputs, environment, cache)
    testing = JobTesting(settings: settings, environment: environment, report: report, cache: cache)
  }

  /// The run's own data set and those of `evaluate.datasets`, with the model that `read` gives.
  ///
  /// Throws the same `Failure` on all ranks. Collective: all `collectives` call this.
  static func inputs(
    _ settings: RunSettings, _ collectives: any MessagePassing, report: RunReport,
    model read: (TaskInputs) throws -> CLIP
  ) throws -> JobInputs {
    let all = [settings] + settings.evaluatedDatasets
    try collectives.agree { try EvaluationPlan.judge(all, "evaluate.datasets") }
    var own: [String]?
    return try JobInputs(
      all, collectives, report: report,
      judge: { task in
        let trained = own ?? task.whole.classNames
        own = trained
        guard task.method?.kind == .linearProbe, task.whole.classNames != trained else { return }
        throw Failure(
          .usage, at: "evaluate.datasets",
          "a linear probe knows the classes of its training alone, not those of \(task.whole.name)",
          remedy: "leave evaluate.datasets out")
      }, model: read)
  }

  /// Tests a checkpoint with a manifest of that hash, whose weights `model` has, and returns what was found, on rank 0.
  ///
  /// `onStep` is called before each batch of any rank, `onProgress` on rank 0 after some. Throws the same `Failure` on all
  /// ranks. Collective: all ranks of the environment call this.
  func evaluate(
    _ place: CheckpointPosition, _ hash: Hash128, _ model: CLIP, onStep: @escaping () throws -> Void,
    onProgress: @escaping () throws -> Void = {}
  ) throws -> CheckpointEvaluation? {
    let (collectives, start) = (environment.collectives, ContinuousClock.now)
    collectives.meter.place = "evaluation of step \(place.step)"
    let batchSize = settings.evaluation.batchSize
    let tests = inputs.tests(ofWeights: 0, hash, batchSize: batchSize)
    let ledger = try collectives.agree {
      collectives.rank == 0 ? try EvaluationLedger(tests, batchSize: batchSize, in: claimed()) : nil
    }
    let open = try testing.open(Array(tests.indices), ledger)
    // Most checkpoints are not the last, and all have the same weights before the start layer.
    cache.keepsTests = true
    defer { cache.keepsTests = false }
    if !open.isEmpty, let transform = inputs.transform {
      try testing.run(
        open, of: tests, model, transform, name: "step \(place.step)", ledger, onStep: onStep
      ) { _, _ in try onProgress() }
    }
    return ledger.map {
      CheckpointEvaluation(
        place, hash: "\(hash)", $0, seconds: start.duration(to: .now).inSeconds)
    }
  }

  private func claimed() throws -> JobDirectory {
    if let directory { return directory }
    let made = try JobDirectory(
      claiming: settings.runDirectory.appendingPathComponent("evaluations"), of: .evaluation)
    directory = made
    return made
  }
}
