import CLIPModel
import Checkpoints
import Collectives
import Configuration
import Datasets
import Diagnostics
import Evaluation
import Foundation
import Kernels
import Reporting
import ShardFiles
import SkipTuning
import StrictJSON
import Tensors
import TunedModels

/// One training run from configuration to results: test, train, test, save.
public struct TrainingRun<Product: MatrixProduct> {
  /// What a run needs beside its settings: who it is, and what it computes, speaks and counts with.
  public struct Environment {
    private(set) var collectives: MeteredCollectives
    let product: Product
    let threads: Int
    let console: ConsoleOutput
    let log: Log
    let logDestination: LogDestination
    let version: String
    /// Where spans are recorded; nil where nothing is traced.
    var trace: TraceLog?
    private let traceFile: URL?
    /// Whether the process does more after a run that failed, so that the run must leave nothing under way.
    package var goesOnAfterFailure = false
    /// Where others say whether training goes on; nil where nobody does.
    package var rungs: TrainingRungs?
    /// Where tests make the writing of checkpoints fail.
    var checkpointFaults = FaultPoints.none

    /// `threads` are this rank's; `version` is recorded in the results; a trace of all ranks goes to `traceFile`.
    public init(
      collectives: any MessagePassing, product: Product, threads: Int, console: ConsoleOutput, log: Log,
      logDestination: LogDestination, version: String, traceFile: URL? = nil
    ) {
      self.collectives = MeteredCollectives(collectives, meter: TrafficMeter())
      self.product = product
      self.threads = threads
      self.console = console
      self.log = log
      self.logDestination = logDestination
      self.version = version
      self.traceFile = traceFile
      trace = traceFile.map { _ in TraceLog(rank: collectives.rank) }
    }

    /// The same among some of the ranks.
    func within(_ part: any MessagePassing) -> Environment {
      var environment = self
      environment.collectives = MeteredCollectives(part, meter: TrafficMeter())
      return environment
    }

    /// The trace of all ranks.
    var runTrace: RunTrace? {
      guard let trace, let traceFile else { return nil }
      return RunTrace(trace, file: traceFile, collectives)
    }
  }

  let settings: RunSettings
  private let resolved: ResolvedConfiguration
  private let start: StartingState
  let environment: Environment
  let report: RunReport
  /// Those beside the ranks that train; nil where there are none.
  let evaluators: EvaluatingRanks?
  let featureCache: RunFeatureCache

  /// A run that has not begun, and the state it will start from.
  public init(
    _ settings: RunSettings, _ resolved: ResolvedConfiguration, from start: StartingState, _ environment: Environment
  ) {
    self.init(settings, resolved, start, environment, evaluators: nil)
  }

  private init(
    _ settings: RunSettings, _ resolved: ResolvedConfiguration, _ start: StartingState, _ environment: Environment,
    evaluators: EvaluatingRanks?
  ) {
    self.settings = settings
    self.start = start
    self.resolved = resolved
    self.environment = environment
    self.evaluators = evaluators
    report = RunReport(
      console: environment.console, log: environment.log, rank: environment.collectives.rank)
    featureCache = RunFeatureCache(settings.features, environment, report: report)
    environment.collectives.deadline = .seconds(settings.limits.collectiveTimeout)
  }

  /// The same run among some of the ranks.
  init(_ whole: TrainingRun, _ environment: Environment, _ evaluators: EvaluatingRanks?) {
    self.init(whole.settings, whole.resolved, whole.start, environment, evaluators: evaluators)
  }

  var collectives: MeteredCollectives { environment.collectives }

  /// Runs to the end and returns the results, the same on all ranks but for times.
  ///
  /// Throws the same `Failure` on all ranks. Collective: all ranks call this with the same settings.
  public func run() throws -> RunResults {
    try settings.evaluation.ranks > 0 ? DividedRun(self).run() : runUndivided()
  }

  /// The same where all ranks train.
  func runUndivided() throws -> RunResults {
    do {
      return try runMonitored()
    } catch {
      report.end(with: error)
      throw error
    }
  }

  private func runMonitored() throws -> RunResults {
    var runTrace = environment.runTrace
    let inputs = try prepare(&runTrace)
    do {
      return try train(inputs, runTrace)
    } catch let failure as Failure where failure.status == .requeue {
      // All ranks come here together, and what they did so far is worth seeing.
      try runTrace?.finish(version: environment.version)
      throw failure
    }
  }

  private func train(_ inputs: RunInputs, _ runTrace: RunTrace?) throws -> RunResults {
    guard let method = inputs.test.method else { return try finish(try testAlone(inputs), runTrace) }
    let trained = method.trained(of: inputs.model)
    let group = TrainingGroup(settings.exchange, globalBatch: inputs.globalBatch, collectives)
    let engine = try makeEngine(inputs.model, trained, group)
    let classSkip = makeClassSkip(inputs)
    let checkpoints = try makeCheckpoints(inputs, trained, classSkip, engine)
    // Class prototypes are those of the untuned model: the step is made before other weights are brought in, by any rank
    // that shares them.
    let step = makeStep(inputs, method, trained, classSkip, engine)
    let evaluations = try makeEvaluations(inputs, checkpoints)
    try collectives.barrier()
    let progress = try begin(inputs, checkpoints)
    try evaluations.begin(at: progress.position.step)
    let exchange = StepExchange(
      engine, settings.exchange, group, collectives, report: report, trace: environment.trace)
    exchange.wantsEnd = { evaluations.wantsStop }
    let loop = TrainingLoop(
      settings: settings, inputs: inputs, extractor: makeExtractor(inputs, method), step: step,
      resting: makeResting(inputs, method, trained), exchange: exchange,
      collectives: collectives, report: report, checkpoints: checkpoints, evaluations: evaluations,
      trace: environment.trace)
    let outcome = try leavingNothing(engine, checkpoints) { try loop.run(from: progress) }
    let tuned = try testTuned(inputs, loop, outcome)
    try savingOnStop(loop, outcome) { try evaluations.finish() }
    collectives.meter.place = "writing results"
    var results = try makeResults(inputs, trained, outcome, checkpoints, tuned: tuned)
    try add(evaluations, outcome, to: &results)
    if settings.output.saveModel { try loop.keepFrozen(Encoder.allCases, outcome) }
    try collectives.agree {
      try report.check()
      if settings.output.saveModel, let folder = report.file("model") {
        try environment.trace.span("save model", .run) {
          try TunedOutput(method, inputs.model, tunedFrom: settings.model.source()).write(to: folder)
        }
      }
    }
    return try finish(results, runTrace)
  }

  private func finish(_ results: RunResults, _ runTrace: RunTrace?) throws -> RunResults {
    try runTrace?.finish(version: environment.version)
    try collectives.agree { try report.complete(results, describes: settings.output.report) }
    return results
  }

  /// Does `body`; where it fails on all ranks and the process goes on, completes what they have under way between each
  /// other and to the disk.
  private func leavingNothing<Value>(
    _ engine: any GradientEngine, _ checkpoints: RunCheckpoints, _ body: () throws -> Value
  ) throws -> Value {
    do {
      return try body()
    } catch let failure as Failure where environment.goesOnAfterFailure && failure.status != .internalError {
      try engine.settle()
      // The first failure is the one to speak of.
      try? checkpoints.complete()
      throw failure
    }
  }

  /// Judges everything before any rank computes; notes say what was assumed of the model.
  func judge() throws -> (inputs: RunInputs, notes: [String]) {
    collectives.meter.place = "reading data and model"
    ProcessMemory.resetPeak()
    try collectives.agree {
      try environment.runTrace?.judge(runDirectory: settings.runDirectory)
      if collectives.rank == 0, let file = settings.output.prometheus { try RunMonitor.judge(file) }
      try RunCheckpoints.judgePaths(start, in: checkpointFolder)
      _ = try RunInputs.globalBatch(settings, worldSize: collectives.worldSize)
    }
    let task = try collectives.agree { try TaskInputs(settings) }
    let model = try CLIP.read(task.weights, for: task.method, isShared: sharesParameters, among: collectives)
    let inputs = try collectives.agree {
      let inputs = try RunInputs(settings, task, model, worldSize: collectives.worldSize)
      // One look per node is enough: its ranks see the same disks.
      if collectives.nodeRank == 0 {
        try inputs.verifyImagesExist()
        try judgeFeatures(inputs)
      }
      return inputs
    }
    return (inputs, try collectives.agree { try task.weights.allNotes() })
  }

  /// Throws where the ranks of this node have no room for the features of an epoch.
  private func judgeFeatures(_ inputs: RunInputs) throws {
    guard let method = inputs.test.method else { return }
    let share = evenShard(of: inputs.globalBatch, rank: 0, worldSize: collectives.worldSize).count
    try settings.features.judge(
      images: try inputs.plan(settings, epoch: 0).count * share, ranks: collectives.nodeSize,
      elementsPerImage: FeatureStore.elementsPerImage(inputs.model, at: method.imageStage))
  }

  /// Brings back the state to go on from, or tests the untuned model and begins with it or with another run's parameters.
  private func begin(_ inputs: RunInputs, _ checkpoints: RunCheckpoints) throws -> RunProgress {
    if let restored = try checkpoints.restore(start) {
      try collectives.agree { try openMetrics(inputs, from: restored.position.step) }
      restored.zeroShot.map { report.tell($0, of: "zero-shot") }
      return try fitted(restored, inputs)
    }
    let initial = try start.initialCheckpoint.map(checkpoints.findInitial)
    try collectives.agree { try openMetrics(inputs, from: 0) }
    var progress = RunProgress()
    if settings.evaluation.zeroShot {
      featureCache.keepsTests = settings.evaluation.tuned
      progress.zeroShot = try test(inputs, "zero-shot", tuned: false).outcome
      featureCache.keepsTests = false
    }
    if let initial { try checkpoints.begin(with: initial) }
    return progress
  }

  /// Where changes that the user accepted leave fewer batches in an epoch than are done of it, the next one begins.
  private func fitted(_ progress: RunProgress, _ inputs: RunInputs) throws -> RunProgress {
    var progress = progress
    let position = progress.position
    guard position.batch > 0, position.epoch < settings.optimizer.epochs,
      position.batch >= (try collectives.agree { try inputs.plan(settings, epoch: position.epoch).count })
    else { return progress }
    report.warning("epoch \(position.epoch + 1) has no batch \(position.batch + 1) any more: the next epoch begins")
    progress.position.epoch += 1
    progress.position.batch = 0
    return progress
  }

  /// Tests the tuned model; a run that is asked to stop meanwhile saves what it has trained.
  private func testTuned(
    _ inputs: RunInputs, _ loop: TrainingLoop<Product>, _ outcome: TrainingLoop<Product>.Outcome
  ) throws -> TimedTest? {
    guard settings.evaluation.tuned else { return nil }
    loop.step.releaseActivations()
    try loop.keepFrozen(Encoder.allCases, outcome)
    return try savingOnStop(loop, outcome) { try test(inputs, "tuned", tuned: true) }
  }

  /// Does `body`; where the run is asked to stop meanwhile, saves what it has trained.
  private func savingOnStop<Value>(
    _ loop: TrainingLoop<Product>, _ outcome: TrainingLoop<Product>.Outcome, _ body: () throws -> Value
  ) throws -> Value {
    do {
      return try body()
    } catch let failure as Failure where failure.status == .requeue {
      try loop.stop(outcome)
    }
  }

  /// Judges everything, then takes the run directory.
  private func prepare(_ runTrace: inout RunTrace?) throws -> RunInputs {
    let (inputs, notes) = try environment.trace.span("read inputs", .run) {
      try evaluators?.preparing { try judge() } ?? judge()
    }
    try collectives.agree {
      try report.open(
        settings.runDirectory, resolved, logTo: environment.logDestination,
        keepsEarlierFiles: RunCheckpoints.goesOn(start, in: checkpointFolder))
      try report.openMonitor(settings.output.prometheus, dataset: inputs.training.name)
    }
    try runTrace?.open()
    notes.forEach(report.info)
    let classes = inputs.training.classNames.count
    report.info(
      "\(inputs.training.name): \(Readable.count(inputs.training.train.count)) training images of \(classes) classes; "
        + inputs.test.sets.map { "\($0.name) \(Readable.count($0.dataset.test.count)) test images" }.joined(
          separator: ", ")
    )
    return inputs
  }

  private var checkpointFolder: URL { settings.runDirectory.appendingPathComponent("checkpoints") }

  /// The keeper of checkpoints, of a model that is still untuned.
  private func makeCheckpoints(
    _ inputs: RunInputs, _ trained: TrainedParameters, _ classSkip: ClassSkip, _ engine: any GradientEngine
  ) throws -> RunCheckpoints {
    let facts = RunFacts(inputs: inputs, settings: settings, classSkip: classSkip)
    let sizes = try RunFacts.fileSizes(inputs.training, collectives)
    let identity = RunIdentity(resolved, try facts.identityFacts(fileSizes: sizes))
    let provenance = try RunProvenance(
      version: environment.version, threads: environment.threads, collectives)
    return RunCheckpoints(
      settings.checkpoint, folder: checkpointFolder, model: inputs.model, from: try settings.model.source(), trained,
      engine: engine, sharesParameters: sharesParameters, run: RunDescription(resolved, identity, facts, provenance),
      threads: environment.threads,
      collectives, report: report, faults: environment.checkpointFaults,
      trace: environment.trace)
  }

  private func makeClassSkip(_ inputs: RunInputs) -> ClassSkip {
    ClassSkip(
      classCount: inputs.prompts.count, settings.method.classSkip,
      seed: UInt64(settings.method.maskSeed ?? settings.seed), mask: settings.method.mask)
  }

  /// The step of a model that is still untuned, with what is trained said in the log.
  private func makeStep(
    _ inputs: RunInputs, _ method: any TrainingMethod, _ trained: TrainedParameters, _ classSkip: ClassSkip,
    _ engine: any GradientEngine
  ) -> any TrainingStep {
    let model = inputs.model
    let fullBytes = Readable.bytes(model.parameters.layout.modelCount * MemoryLayout<Float>.stride)
    report.info(
      "training \(method.words): \(Readable.count(trained.count)) of "
        + "\(Readable.count(model.parameters.layout.count)) parameters; each step reduces "
        + "\(Readable.bytes(trained.byteCount)) of gradients (full fine-tuning: \(fullBytes))")
    if settings.exchange.takesLocalSteps {
      report.info(
        "hosts train apart from each other, and average their parameters every \(settings.exchange.localSteps) steps "
          + "and at the end of an epoch")
    }
    let factor = settings.optimizer.rateFactor(globalBatch: inputs.globalBatch)
    if factor != 1 {
      report.info(
        "learning rates are multiplied by \(Readable.fixed(factor, 3)), for \(inputs.globalBatch) images per step")
    }
    return method.makeStep(
      StepTask(
        model: model.recomputing(settings.compute.recompute), classSkip: classSkip, prompts: inputs.prompts,
        gradients: engine.gradients),
      by: ProgressingProduct(environment.product, ProgressHook { engine.poll() }))
  }

  private func makeEngine(
    _ model: CLIP, _ trained: TrainedParameters, _ group: TrainingGroup
  ) throws -> any GradientEngine {
    switch settings.exchange.mode {
    case _ where settings.updatesLayerwise(worldSize: collectives.worldSize):
      LayerwiseEngine(model, trained, settings.optimizer.sgd)
    case .sharded where settings.exchange.takesLocalSteps:
      try LocalStepsEngine(
        model, trained, settings.optimizer.sgd, settings.exchange, group, collectives, trace: environment.trace)
    case .sharded:
      try ShardedEngine(
        model, trained, settings.optimizer.sgd, settings.exchange, collectives, collectives.meter,
        trace: environment.trace)
    case .replicated: ReplicatedEngine(model, trained, settings.optimizer.sgd, collectives)
    }
  }

  /// Whether the ranks of a host have one copy of the weights; the same on all ranks, also one that is alone on its host.
  var sharesParameters: Bool {
    settings.exchange.mode == .sharded && settings.exchange.twoLevel && collectives.hasSharedHosts
  }
}
