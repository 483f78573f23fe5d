import CLIPModel
import Configuration
import Datasets
import Foundation
import Planning
import SkipTuning

/// What a run would take on a machine, from its settings, the lists of its data set and the header of its weights.
package struct RunForecast: Sendable, Equatable {
  /// Steps of all epochs.
  package let steps: Int
  /// Of features and steps; nil for methods whose work is not counted.
  package let trainingSeconds: Double?
  /// Of the tests before and after.
  package let testSeconds: Double
  /// Of the rank that has most; nil for methods whose memory is not counted.
  package let memoryBytes: Int?
  /// That each rank sends, to ranks of its host or others; nil for methods whose traffic is not counted.
  package let sentBytes: Double?

  /// Milliseconds that a thread takes to decode a photograph and crop it to 224 pixels; others are taken to have been stored in
  /// proportion to the model's input.
  private static let decodeMilliseconds = 5.0

  /// Forecasts of the same task are told of `inputs` that were read once.
  ///
  /// Throws `Failure` where settings do not go with data set, model or ranks.
  fileprivate init(_ settings: RunSettings, _ inputs: TaskInputs, on machine: MachineProfile, ranks: Int) throws {
    let configuration = inputs.weights.configuration
    let depth = min(configuration.vision.depth, configuration.text.depth)
    let (training, shots) = try RunInputs.trainingPart(of: inputs.whole, settings)
    try RunInputs.judge(settings, depth: depth, classCount: training.classNames.count)
    let size = try RunInputs.globalBatch(settings, worldSize: ranks)
    let order = settings.batch.order ?? .published(shots: shots, groupSize: settings.batch.groupSize)
    let batches = try RunInputs.plan(settings, training, globalBatch: size, order: order, epoch: 0).count
    let decodeSeconds = Self.decodeMilliseconds / 1e3 * pow(Double(configuration.imageSize) / 224, 2)
    steps = inputs.method == nil ? 0 : min(batches * settings.optimizer.epochs, settings.limits.maxSteps ?? .max)
    testSeconds = try Self.testSeconds(settings, inputs, decodeSeconds, machine, ranks: ranks)
    guard let method = inputs.method else {
      (trainingSeconds, memoryBytes, sentBytes) = (0, nil, 0)
      return
    }
    let scenario = Scenario(
      settings, method, inputs, training, globalBatch: size, ranks: ranks, decodeSeconds: decodeSeconds)
    guard let forecast = scenario.flatMap({ Forecast($0, on: machine, ranks: ranks) }), let scenario else {
      (trainingSeconds, memoryBytes, sentBytes) = (nil, nil, nil)
      return
    }
    trainingSeconds = Double(steps) * (forecast.step + forecast.features)
    sentBytes = Double(steps) * forecast.sentBytes
    memoryBytes = Self.memory(settings, scenario, forecast, ranks: ranks, hasSecondEpoch: steps > batches)
  }

  private static func testSeconds(
    _ settings: RunSettings, _ inputs: TaskInputs, _ decodeSeconds: Double, _ machine: MachineProfile, ranks: Int
  ) throws -> Double {
    let configuration = inputs.weights.configuration
    let images = try settings.task.testSubsets.reduce(0) { try $0 + inputs.whole.subset($1).test.count }
    let together = PrefixFeatures.imagesAtATime
    let work = PrefixWork.images(configuration, count: together, upTo: configuration.vision.depth)
    let seconds =
      machine.seconds(work, rows: together * configuration.tokensPerImage) / Double(together)
      + decodeSeconds / Double(machine.threads)
    let tests = [settings.evaluation.zeroShot, settings.evaluation.tuned].count { $0 }
    return Double(tests * images) * seconds / Double(ranks)
  }

  private static func memory(
    _ settings: RunSettings, _ scenario: Scenario, _ forecast: Forecast, ranks: Int, hasSecondEpoch: Bool
  ) -> Int {
    let run = PeakMemory.Run(
      testImages: settings.evaluation.tuned ? settings.evaluation.batchSize : nil,
      savesCheckpoints: settings.checkpoint.isEnabled,
      makesFeaturesAgain: hasSecondEpoch && scenario.method != .fullFineTuning, restsFrozenWeights: ranks == 1)
    return PeakMemory(
      scenario.configuration, forecast.memory, startLayer: scenario.startLayer,
      ownedParameters: (forecast.trainedParameters + ranks - 1) / ranks, neighbours: ranks - 1, run,
      scenario.activations
    ).total
  }
}

extension Scenario {
  /// The training of a run by ranks of one host; nil for methods that do not train the encoders.
  fileprivate init?(
    _ settings: RunSettings, _ method: any TrainingMethod, _ inputs: TaskInputs, _ training: Dataset, globalBatch: Int,
    ranks: Int, decodeSeconds: Double
  ) {
    guard method.kind.tunesModel else { return nil }
    let exchange = RunWorkload.Exchange(settings.exchange)
    var way = Exchange()
    way.bytesPerElement = exchange.bytesPerElement
    way.overlaps = exchange.overlaps
    way.isSharded = exchange.isSharded
    way.isClassParallel = exchange.isClassParallel
    way.isTwoLevel = exchange.isTwoLevel
    way.bucketBytes = exchange.bucketBytes
    way.localSteps = exchange.localSteps
    self.init(
      inputs.weights.configuration,
      method.kind == .full
        ? .fullFineTuning
        : .skipTuning(startLayer: settings.method.startLayer, settings.method.classSkip),
      classes: PromptSet(training.classNames.map { inputs.tokenizer.tokens(inputs.template.prompt(for: $0)) }),
      batch: .global(globalBatch), epochImages: training.train.count, ranksPerNode: ranks, exchange: way,
      decodeSeconds: decodeSeconds)
    activations.recomputes = settings.compute.recompute
    features.bytesPerElement = settings.features.storage.byteCount
    features.memoryBytes = settings.features.memoryBytes
  }
}

extension PromptSet {
  /// Prompts whose tokens are known.
  fileprivate init(_ prompts: [[Int32]]) {
    let shared = prompts.dropFirst().reduce(prompts.first?.count ?? 0) { count, prompt in
      zip(prompt, prompts[0]).prefix(count).prefix { $0 == $1 }.count
    }
    self.init(
      count: prompts.count, length: Double(prompts.reduce(0) { $0 + $1.count }) / Double(max(1, prompts.count)),
      shared: Double(shared))
  }
}

/// Forecasts of many runs, whose models and data sets are read once each.
package struct RunForecasts {
  private let machine: MachineProfile
  private let ranks: Int
  private var known: [[String]: TaskInputs] = [:]

  /// Of runs by so many ranks of one host each.
  package init(on machine: MachineProfile, ranks: Int) { (self.machine, self.ranks) = (machine, ranks) }

  /// What a run would take.
  ///
  /// Throws `Failure` for whatever is wrong with its data set or model, or does not fit together. No values of weights and no
  /// images are read.
  package mutating func forecast(_ settings: RunSettings, _ resolved: ResolvedConfiguration) throws -> RunForecast {
    let key = resolved.settings.filter { $0.key.hasPrefix("model.") || $0.key.hasPrefix("data.") }.map(\.value.yaml)
    let inputs = try known[key].map { try TaskInputs(settings, like: $0) } ?? TaskInputs(settings)
    known[key] = inputs
    return try RunForecast(settings, inputs, on: machine, ranks: ranks)
  }
}
