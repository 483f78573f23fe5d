import Kernels

// Evaluations of checkpoints, as a run begins and ends them.

extension TrainingRun {
  /// Who evaluates the checkpoints of a model that is still untuned, if anybody does.
  func makeEvaluations(_ inputs: RunInputs, _ checkpoints: RunCheckpoints) throws -> RunEvaluations {
    var testHere: RunEvaluations.TestHere?
    if settings.evaluation.everyEpochs > 0 || environment.rungs != nil {
      let loaded = try CheckpointTests<Product>.inputs(settings, collectives, report: report) { _ in inputs.model }
      let tests = CheckpointTests(settings, loaded, environment, report: report, cache: featureCache)
      testHere = { try tests.evaluate($0, $1.hash, inputs.model, onStep: StopSignal.check) }
    }
    let evaluations = RunEvaluations(
      settings, checkpoints.directory, collectives, report: report, office: evaluators?.office, testHere: testHere,
      rungs: environment.rungs)
    evaluators?.evaluations = evaluations
    checkpoints.onSaved = evaluations.checkpointSaved
    checkpoints.protectedSteps = { [unowned evaluations] in evaluations.protectedSteps }
    return evaluations
  }

  /// What is known of the run's checkpoints, on all ranks.
  func add(
    _ evaluations: RunEvaluations, _ outcome: TrainingLoop<Product>.Outcome, to results: inout RunResults
  ) throws {
    let (known, best) = try evaluations.findings()
    if !known.isEmpty { results.evaluations = known }
    results.best = best
    if settings.limits.patience != nil { results.stoppedEarly = outcome.isStoppedEarly }
  }
}
