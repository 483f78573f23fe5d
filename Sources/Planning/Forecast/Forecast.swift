import CLIPModel
import SkipTuning

/// What a step takes at a number of ranks; seconds and bytes of the rank that has most to do.
public struct Forecast: Sendable {
  /// Ranks, and hosts that they fill.
  public let ranks, nodes: Int
  /// Images of a step, of all ranks and of one.
  public let globalBatch, imagesPerRank: Int
  /// Classes in the loss, and texts that the rank runs through the text encoder.
  public let keptClasses, textsPerRank: Int
  /// Operations of the rank's products in a step.
  public let operations: Int
  /// Both passes and the loss.
  public let compute: Double
  /// The optimiser's pass.
  public let update: Double
  /// The exchange of gradients and parameters, hidden or not.
  public let exchange: Double
  /// What of it the rank waits for.
  public let exposed: Double
  /// Small messages that are always waited for: class scores, losses, and text features where texts are shared out.
  public let messages: Double
  /// Making features of the step's images, once an epoch for each image.
  public let features: Double
  /// Bytes that each rank sends in a step, on average.
  public let sentBytes: Double
  /// Resident memory of the rank.
  public let memory: StepMemory
  /// Parameters that are trained.
  public let trainedParameters: Int
  /// The rank's part of a checkpoint, in bytes, and the seconds to write it, beside training.
  public let checkpointBytes, checkpointSeconds: Double

  /// Seconds of a step.
  public var step: Double { compute + update + exposed + messages }

  /// Images a second of all ranks, features included.
  public var imagesPerSecond: Double { Double(globalBatch) / (step + features) }

  /// The forecast for `ranks` ranks; nil where a step has fewer images than there are ranks.
  public init?(_ scenario: Scenario, on machine: MachineProfile, ranks: Int) {
    let images = scenario.globalBatch(ranks: ranks)
    guard ranks >= 1, images >= ranks else { return nil }
    let engine = Engine(scenario, machine, ranks: ranks, images: images)
    (self.ranks, nodes, globalBatch) = (ranks, engine.model.nodes, images)
    imagesPerRank = engine.imagesPerRank
    (keptClasses, textsPerRank) = (engine.kept, engine.texts.count)
    operations = engine.work.total.operations
    compute = engine.compute
    update = engine.update
    exchange = engine.exchange
    exposed = engine.exposed
    messages = engine.messages
    features = engine.features
    sentBytes = engine.sentBytes
    memory = engine.memory
    trainedParameters = engine.work.parameters
    (checkpointBytes, checkpointSeconds) = engine.checkpoint
  }
}

/// The parts that a forecast is made of.
private struct Engine {
  let scenario: Scenario
  let machine: MachineProfile
  let ranks: Int
  let imagesPerRank: Int
  let kept: Int
  let texts: SequenceBatch
  let work: StepWork
  let model: ExchangeModel
  /// Ranks that share a step: those of a host, or one, between local steps; else all.
  let groupSize: Int

  init(_ scenario: Scenario, _ machine: MachineProfile, ranks: Int, images: Int) {
    self.scenario = scenario
    self.machine = machine
    self.ranks = ranks
    imagesPerRank = (images + ranks - 1) / ranks
    kept = scenario.kept
    let perHost = scenario.exchange.isTwoLevel ? min(ranks, scenario.ranksPerNode) : 1
    groupSize = scenario.exchange.localSteps > 1 ? perHost : ranks
    let share = scenario.exchange.isClassParallel ? (kept + groupSize - 1) / groupSize : kept
    texts = scenario.texts(share)
    let skips = scenario.method != .fullFineTuning
    work = StepWork(
      scenario.configuration, startLayer: scenario.startLayer, images: imagesPerRank, texts: texts, keptClasses: kept,
      classCount: skips ? scenario.classes.count : 0, trainsEmbeddings: scenario.trainsEmbeddings,
      recomputes: scenario.activations.recomputes)
    model = ExchangeModel(
      machine: machine, ranks: ranks, ranksPerNode: scenario.ranksPerNode, isTwoLevel: scenario.exchange.isTwoLevel,
      isDirect: scenario.exchange.isSharded)
  }

  // MARK: Computing

  var compute: Double {
    work.units.reduce(machine.seconds(work.loss, rows: work.lossRows)) {
      $0 + machine.seconds($1.forward, rows: $1.rows) + machine.seconds($1.backward, rows: $1.rows)
    }
  }

  /// Parameters that the rank updates.
  var ownedParameters: Int {
    scenario.exchange.isSharded ? (work.parameters + groupSize - 1) / groupSize : work.parameters
  }

  /// Parameter, momentum and gradient are read, the first two written; other ranks' gradients may not be finite, so each
  /// looks through its own first.
  var update: Double {
    Double((updatesLayerwise ? 0 : 4 * work.parameters) + 20 * ownedParameters) / machine.update
  }

  /// Features of the images of one step, made in batches as the extractor does.
  var features: Double {
    let decoding = scenario.decodeSeconds * Double(imagesPerRank) / Double(machine.threads)
    guard !scenario.trainsEmbeddings else { return decoding }
    let together = PrefixFeatures.imagesAtATime
    let work = PrefixWork.images(scenario.configuration, count: together, upTo: scenario.startLayer)
    let seconds = machine.seconds(work, rows: together * scenario.configuration.tokensPerImage)
    return decoding + seconds * Double(imagesPerRank) / Double(together)
  }

  // MARK: Communicating

  private var bytes: Double { Double(work.parameters * scenario.exchange.bytesPerElement) }
  private var localSteps: Double { Double(scenario.exchange.localSteps) }
  private var takesLocalSteps: Bool { scenario.exchange.localSteps > 1 }

  /// Both ways, bucket by bucket.
  var exchange: Double {
    let buckets = max(1, (bytes / Double(scenario.exchange.bucketBytes)).rounded(.up))
    return buckets * (model.reduceScatter(bytes: bytes / buckets) + model.gather(bytes: bytes / buckets)) / localSteps
  }

  var exposed: Double {
    // Parameters are averaged between two steps: nothing goes on meanwhile.
    guard scenario.exchange.overlaps, !takesLocalSteps else { return exchange }
    let hidden = max(0, exchange - unavoidable)
    return exchange - scenario.exchange.hiddenShare * hidden
  }

  /// What is waited for if nothing but the order of things stands in the way.
  private var unavoidable: Double {
    let settings = scenario.exchange
    let down = work.backwardOrder.map { piece($0, $0.backward) }
    let isSharded = settings.isSharded
    let backward = OverlapTimeline.waitAfterBackward(down, bucket: Double(settings.bucketBytes)) {
      model.reduceScatter(bytes: $0) + (isSharded ? 0 : model.gather(bytes: $0))
    }
    guard isSharded else { return backward }
    let up = work.units.map { piece($0, $0.forward) }
    return backward + OverlapTimeline.waitDuringForward(up) { model.gather(bytes: $0) }
  }

  private func piece(_ unit: StepWork.Unit, _ work: ComputeWork) -> OverlapTimeline.Piece {
    OverlapTimeline.Piece(
      seconds: machine.seconds(work, rows: unit.rows),
      bytes: Double(unit.parameters * scenario.exchange.bytesPerElement))
  }

  private var textFeatureBytes: Double { Double(kept * scenario.configuration.embeddingWidth * 4) }
  private var scoreBytes: Double { scenario.trainsEmbeddings ? 0 : Double(scenario.classes.count * 4) }
  private static let newsBytes = 32.0

  var messages: Double {
    var group = model
    group.ranks = groupSize
    let features = scenario.exchange.isClassParallel ? group.smallReduction(bytes: textFeatureBytes) : 0
    let scores = scoreBytes > 0 ? group.smallReduction(bytes: scoreBytes) : 0
    let news = model.smallReduction(bytes: Self.newsBytes) / localSteps
    return features + scores + news + (takesLocalSteps ? group.smallReduction(bytes: Self.newsBytes) : 0)
  }

  var sentBytes: Double {
    guard !takesLocalSteps else { return model.sentBytes(bytes / localSteps + Self.newsBytes) }
    let small = (scenario.exchange.isClassParallel ? textFeatureBytes : 0) + scoreBytes + Self.newsBytes
    return model.sentBytes(bytes + small)
  }

  // MARK: Keeping

  var memory: StepMemory {
    StepMemory(
      scenario.configuration, startLayer: scenario.startLayer, images: imagesPerRank, texts: texts,
      epochImages: (scenario.epochImages + ranks - 1) / ranks, classes: scenario.texts(scenario.classes.count),
      ownedParameters: ownedParameters + averagedParameters, gradientParameters: gradientParameters,
      kept: scenario.features, trainsEmbeddings: scenario.trainsEmbeddings, scenario.activations)
  }

  private var updatesLayerwise: Bool { ranks == 1 && scenario.exchange.isSharded && !takesLocalSteps }

  /// A rank that is alone updates each layer as soon as its gradients are there.
  private var gradientParameters: Int {
    updatesLayerwise ? work.units.map(\.parameters).max() ?? 0 : work.parameters
  }

  /// Between local steps, a host divides what it averaged last among its ranks, and all ranks the outer momentum.
  private var averagedParameters: Int {
    takesLocalSteps ? ownedParameters + (work.parameters + ranks - 1) / ranks : 0
  }

  /// Parameters and momentum, of every host where these differ, compressed on one thread and written by all ranks of a node to its disk.
  var checkpoint: (bytes: Double, seconds: Double) {
    let vectors = takesLocalSteps ? 2 + (ranks + groupSize - 1) / groupSize : 2
    let raw = Double(4 * vectors * work.parameters) / Double(ranks)
    let stored = raw / CheckpointSpeed.ratio
    let onNode = stored * Double(min(ranks, scenario.ranksPerNode))
    return (stored, raw / CheckpointSpeed.compression + onNode / scenario.diskBandwidth)
  }
}

/// What docs/benchmarks.md has measured for parameters and momentum after some tens of steps.
private enum CheckpointSpeed {
  /// 497 MB become 301 MB.
  static let ratio = 1.65
  /// Bytes a second that one thread splits, compresses and hashes.
  static let compression = 571e6
}
