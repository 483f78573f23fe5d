import CLIPModel
import Collectives
import Planning
import Reporting
import SkipTuning

extension TrainingRun {
  /// What a run would take, as lines, after judging everything; nothing is written.
  ///
  /// Collective: all ranks call this with the same settings.
  public func estimate() throws -> [String] {
    try settings.evaluation.ranks > 0 ? DividedRun(self).estimate() : estimateUndivided()
  }

  /// Most bytes of memory of a rank, after judging everything; nil for methods without a forecast.
  ///
  /// Nothing is written. Counts all ranks as ranks that train. Collective: all ranks call this with the same settings.
  public func forecastMemory() throws -> Int? {
    let inputs = try judge().inputs
    guard let method = inputs.test.method else { return nil }
    let steps = try collectives.agree { try inputs.plan(settings, epoch: 0).count }
    let all = min(steps * settings.optimizer.epochs, settings.limits.maxSteps ?? .max)
    let share = evenShard(of: inputs.globalBatch, rank: 0, worldSize: collectives.worldSize).count
    return peakMemory(
      inputs, method, images: min(steps, all) * share, share: share, hasSecondEpoch: all > steps)?.total
  }

  /// What a run takes where all ranks train.
  func estimateUndivided() throws -> [String] {
    let inputs = try judge().inputs
    let images =
      "\(inputs.training.name), \(settings.task.rawValue): \(Readable.count(inputs.training.train.count)) "
      + "training images of \(inputs.training.classNames.count) classes"
    guard let method = inputs.test.method else { return [images, "nothing is trained: the model is tested as it is"] }
    let steps = try collectives.agree { try inputs.plan(settings, epoch: 0).count }
    let all = min(steps * settings.optimizer.epochs, settings.limits.maxSteps ?? .max)
    return [
      images,
      "\(Readable.count(steps)) steps of \(inputs.globalBatch) images per epoch, "
        + "\(Readable.count(all)) in all, order \(inputs.order.rawValue)",
    ] + trafficLines(inputs, method, steps: steps) + memoryLines(inputs, method, steps: steps, all: all)
  }

  private func trafficLines(_ inputs: RunInputs, _ method: any TrainingMethod, steps: Int) -> [String] {
    let layout = inputs.model.parameters.layout
    let trained = method.trained(of: inputs.model)
    let exchanges = (0..<steps).count { settings.exchange.isSynchronized(afterBatch: $0, of: steps) }
    return [
      "\(Readable.count(trained.count)) of \(Readable.count(layout.count)) parameters are trained",
      "each step reduces \(Readable.bytes(trained.byteCount)) of gradients; full fine-tuning "
        + "would reduce \(Readable.bytes(layout.modelCount * MemoryLayout<Float>.stride))",
      settings.exchange.takesLocalSteps
        ? "hosts average \(Readable.bytes(trained.byteCount)) of parameters \(Readable.count(exchanges)) times an epoch, "
          + "and exchange nothing else meanwhile" : nil,
    ].compactMap { $0 }
  }

  private func memoryLines(_ inputs: RunInputs, _ method: any TrainingMethod, steps: Int, all: Int) -> [String] {
    let share = evenShard(of: inputs.globalBatch, rank: 0, worldSize: collectives.worldSize).count
    let images = min(steps, all) * share
    let features = settings.features.words(
      images: images, elementsPerImage: FeatureStore.elementsPerImage(inputs.model, at: method.imageStage))
    let kept = cacheLine(inputs, method).map { [$0] } ?? []
    let trained = method.trained(of: inputs.model)
    let weights = inputs.model.parameters.values.count * MemoryLayout<Float>.stride
    guard let peak = peakMemory(inputs, method, images: images, share: share, hasSecondEpoch: all > steps) else {
      return [
        "per rank: weights \(Readable.bytes(weights)), gradients and momentum "
          + "\(Readable.bytes(2 * trained.byteCount)), \(features)"
      ] + kept
    }
    let parts: [(String, Int)] = [
      ("weights", peak.weights),
      ("gradients and momentum", peak.optimizer + peak.neighbours),
      ("activations", peak.activations),
      ("what a checkpoint saves", peak.snapshot), ("program and libraries", PeakMemory.program),
    ]
    return [
      "memory of a rank: at most \(Readable.bytes(peak.total)), which are "
        + parts.filter { $0.1 > 0 }.map { "\($0.0) \(Readable.bytes($0.1))" }.joined(separator: ", ") + ", \(features)"
    ] + kept
  }

  /// What a run would keep in its cache; nil where it keeps nothing.
  private func cacheLine(_ inputs: RunInputs, _ method: any TrainingMethod) -> String? {
    guard let folder = settings.features.cache, method.imageStage != .pixels else { return nil }
    let elements = FeatureStore.elementsPerImage(inputs.model, at: method.imageStage)
    let epoch = inputs.training.train.count * elements * settings.features.storage.byteCount
    let epochs = inputs.trainingTransform.augmentation == nil ? 1 : settings.optimizer.epochs
    let tests = inputs.test.sets.reduce(0) { $0 + $1.dataset.test.count } * elements * MemoryLayout<Float>.stride
    let views = epochs == 1 ? "which all epochs see alike" : "as each of \(Readable.count(epochs)) epochs sees them"
    return "features.cache: \(Readable.bytes(epoch)) for training images, \(views), \(Readable.bytes(tests)) for test "
      + "images; the files in \(folder.path) may take \(Readable.bytes(settings.features.cacheBytes))"
  }

  /// The forecast of methods that train the encoders; nil for others.
  private func peakMemory(
    _ inputs: RunInputs, _ method: any TrainingMethod, images: Int, share: Int, hasSecondEpoch: Bool
  ) -> PeakMemory? {
    guard method.kind.tunesModel else { return nil }
    let (model, ranks) = (inputs.model, collectives.worldSize)
    let trained = method.trained(of: model)
    let trainsEmbeddings = method.imageStage == .pixels
    let prompts = PromptSet(
      count: inputs.prompts.count, lengths: inputs.prompts.reduce(0) { $0 + $1.count },
      rows: model.textEmbedding.layout(inputs.prompts).tokenCount)
    let kept =
      method.kind == .full
      ? prompts.count
      : Int(
        ClassSkip(classCount: prompts.count, settings.method.classSkip, seed: 0).probabilities.reduce(0, +).rounded())
    let texts = settings.exchange.classParallelText ? (kept + ranks - 1) / ranks : kept
    let owned = settings.exchange.mode == .sharded ? (trained.count + ranks - 1) / ranks : trained.count
    let gradients = settings.updatesLayerwise(worldSize: ranks) ? trained.largestLayer : trained.count
    var way = StepMemory.Way()
    way.factorBytes = environment.product.operandFormat.size
    way.recomputes = settings.compute.recompute
    var features = Scenario.Features()
    features.bytesPerElement = settings.features.storage.byteCount
    features.memoryBytes = settings.features.memoryBytes
    let step = StepMemory(
      model.configuration, startLayer: trained.startLayer, images: share, texts: prompts.batch(of: texts),
      epochImages: images, classes: prompts.batch(of: prompts.count), ownedParameters: owned,
      gradientParameters: gradients, kept: features, trainsEmbeddings: trainsEmbeddings, way)
    return PeakMemory(
      model.configuration, step, startLayer: trainsEmbeddings ? 0 : trained.startLayer,
      ownedParameters: (trained.count + ranks - 1) / ranks,
      neighbours: sharesParameters ? collectives.nodeSize - 1 : 0,
      PeakMemory.Run(
        testImages: settings.evaluation.tuned ? min(settings.evaluation.batchSize, largestTest(inputs)) : nil,
        savesCheckpoints: settings.checkpoint.isEnabled, makesFeaturesAgain: hasSecondEpoch && !trainsEmbeddings,
        restsFrozenWeights: !sharesParameters && RestingWeights.isWorthwhile(model, trained)), way)
  }

  /// Images of the largest test set: a rank gets whole batches.
  private func largestTest(_ inputs: RunInputs) -> Int { inputs.test.sets.map { $0.dataset.test.count }.max() ?? 0 }
}
