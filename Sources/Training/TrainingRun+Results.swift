import CLIPModel
import Checkpoints
import Collectives
import Foundation
import Kernels
import Reporting
import ShardFiles
import SkipTuning
import TunedModels

// Tests, and what a run tells of itself in the end.

extension TrainingRun {
  /// Begins to record, from `step` on.
  func openMetrics(_ inputs: RunInputs, from step: Int) throws {
    try report.openMetrics(from: step, eventsOf: settings.output.tensorBoard ? inputs.globalBatch : nil)
  }

  /// Accuracy of the model as it is, on every test set.
  func test(_ inputs: RunInputs, _ name: String, tuned: Bool) throws -> TimedTest {
    var test = ModelTest(inputs: inputs.test, settings: settings, environment: environment, report: report)
    test.cache = featureCache
    test.onStep = { [evaluators] in
      try StopSignal.check()
      try evaluators?.office?.serve()
    }
    return try test.run(name, tuned: tuned)
  }

  /// What a step reduces, by purpose.
  ///
  /// The sharded engine's messages carry slices: what it reduces is all gradients, once.
  private func reducedBytesPerStep(_ trained: TrainedParameters, exchanges: Int, steps: Int) -> [String: Int] {
    // What the ranks of a host exchange in local steps is not counted as reduced.
    var bytes = collectives.meter.stepPhases.mapValues { $0.payloadBytes / steps }.filter { $0.value > 0 }
    if settings.exchange.mode == .sharded { bytes["gradients"] = trained.byteCount * exchanges / steps }
    return bytes
  }

  func makeResults(
    _ inputs: RunInputs, _ trained: TrainedParameters, _ outcome: TrainingLoop<Product>.Outcome,
    _ checkpoints: RunCheckpoints, tuned: TimedTest?
  ) throws -> RunResults {
    let layout = inputs.model.parameters.layout
    let times = outcome.stepTimes.map(\.inSeconds).sorted()
    let cost = RunResults.Cost(
      epochs: outcome.position.epochsBegun, steps: outcome.position.step, finalLoss: outcome.progress.loss,
      trainedParameters: trained.count,
      totalParameters: layout.count,
      reducedBytesPerStep: reducedBytesPerStep(
        trained, exchanges: outcome.exchanges, steps: max(1, times.count)),
      sentBytesPerStep: collectives.meter.stepPhases.values.reduce(0) { $0 + $1.bytesBetweenNodes }
        / Double(max(1, times.count)),
      exchangeSecondsPerStep: outcome.exchangeSeconds.mapValues { $0 / Double(max(1, times.count)) },
      fullFineTuningBytesPerStep: layout.modelCount * MemoryLayout<Float>.stride,
      skippedSteps: outcome.skippedSteps, extractionSeconds: outcome.extraction.inSeconds,
      stepSeconds: times.reduce(0, +),
      medianStepSeconds: times.isEmpty ? nil : times[times.count / 2],
      testSeconds: tuned?.seconds,
      peakMemoryBytes: try collectives.allReduce(ProcessMemory.peakBytes, .max))
    var results = makeResults(inputs, checkpoints.run.provenance, weights: checkpoints.baseFingerprint, cost)
    (results.zeroShot, results.tuned) = (outcome.progress.zeroShot, tuned?.outcome)
    // Forecasts know the work of Skip Tuning alone.
    let isForecast = settings.method.kind == .skipTuning && !settings.method.trainsEmbeddings
    results.workload = times.isEmpty || !isForecast ? nil : try workload(inputs, outcome)
    results.checkpoints = checkpoints.counts
    results.keptFeatures = try featureCache.sayCounts(collectives)
    return results
  }

  private func makeResults(
    _ inputs: RunInputs, _ provenance: RunProvenance, weights fingerprint: Hash128, _ cost: RunResults.Cost
  ) -> RunResults {
    RunResults(
      version: environment.version, dataset: inputs.training.name, task: settings.task.rawValue,
      shots: inputs.shots, seed: settings.seed, method: settings.method.kind.rawValue,
      startLayer: settings.method.usesStartLayer ? settings.method.startLayer : nil,
      ranks: collectives.worldSize, hosts: provenance.hosts, threadsPerRank: environment.threads,
      initialCheckpoint: provenance.initialCheckpoint, acceptedDifferences: provenance.acceptedDifferences,
      training: cost, checkpoints: CheckpointCounts(),
      provenance: ResultProvenance(inputs, settings, weights: fingerprint))
  }

  /// The results of a run that trains nothing.
  func testAlone(_ inputs: RunInputs) throws -> RunResults {
    let provenance = try RunProvenance(version: environment.version, threads: environment.threads, collectives)
    try collectives.agree { try openMetrics(inputs, from: 0) }
    let test = try test(inputs, "zero-shot", tuned: false)
    let layout = inputs.model.parameters.layout
    let cost = RunResults.Cost(
      epochs: 0, steps: 0, trainedParameters: 0, totalParameters: layout.count, reducedBytesPerStep: [:],
      sentBytesPerStep: 0, fullFineTuningBytesPerStep: layout.modelCount * MemoryLayout<Float>.stride, skippedSteps: 0,
      extractionSeconds: 0, stepSeconds: 0, testSeconds: test.seconds,
      peakMemoryBytes: try collectives.allReduce(ProcessMemory.peakBytes, .max))
    try collectives.agree { try report.check() }
    var results = makeResults(inputs, provenance, weights: BaseFingerprint.of(inputs.model), cost)
    results.zeroShot = test.outcome
    results.keptFeatures = try featureCache.sayCounts(collectives)
    return results
  }

  private func workload(_ inputs: RunInputs, _ outcome: TrainingLoop<Product>.Outcome) throws -> RunWorkload {
    RunWorkload(
      inputs, settings.exchange, meanKeptClasses: Double(outcome.keptClasses) / Double(outcome.stepTimes.count),
      epochImages: try inputs.plan(settings, epoch: 0).count * inputs.globalBatch,
      ranksPerNode: Int(try collectives.allReduce(Int64(collectives.nodeSize), .max)))
  }
}
