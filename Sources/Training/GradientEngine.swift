import CLIPModel
import Collectives
import GradientExchange
import Kernels
import Optimization
import Reporting
import SkipTuning
import Tensors

/// Turns the gradients of all ranks into updated parameters.
///
/// Collective: all ranks use it in step.
protocol GradientEngine: AnyObject {
  /// Where this rank's gradients are written.
  var gradients: ParameterStore { get }
  /// Parameters that this rank writes to checkpoints: all ranks' together are the trained vector.
  var savedRanges: [Range<Int>] { get }
  /// Vectors of the optimiser's state; the same names in the same order on all ranks.
  var states: [EngineState] { get }

  /// Starts a step whose updates have these learning rates.
  func begin(rates: [Encoder: Double]) throws
  /// A layer's gradients are final and its parameters not used any more; returns whether this rank's are finite.
  func gradientsReady(_ encoder: Encoder, layer: Int) throws -> Bool
  /// The same of a layer that this rank has no part in: its gradients are not written yet.
  func gradientsAreZero(_ encoder: Encoder, layer: Int) throws
  /// Waits until a layer's parameters are those of the last step.
  func willUse(_ encoder: Encoder, layer: Int) throws
  /// Gradients of all layers are final; where `decides` is false in the end, the step is left out.
  func endStep(decides: () throws -> Bool) throws
  /// Waits until all parameters are there, on the ranks that share steps.
  func settle() throws
  /// Makes all ranks have the same parameters, where they train apart from each other.
  func synchronize() throws
  /// Moves communication on, from inside the computation.
  func poll()
}

extension GradientEngine {
  /// Ranks that sum the gradients of every step are never apart.
  func synchronize() {}
}

/// A vector of an optimiser's state, of which ranks hold parts.
struct EngineState {
  /// As checkpoints name it.
  let name: String
  /// Elements of the trained vector that this rank holds, and needs back when a run goes on.
  let held: [Range<Int>]
  /// Those that it writes to checkpoints: all ranks' together are the vector.
  let saved: [Range<Int>]
  /// State of elements that lie in one of the ranges held, shared.
  let values: (Range<Int>) -> Tensor
  /// Vectors of a checkpoint, given the names of all that it holds, whose mean this one is when a run goes on; none for
  /// one that begins with zeros.
  var sources: ([String]) -> [String]

  /// A vector that checkpoints hold under its own name unless `sources` says otherwise.
  init(
    _ name: String, held: [Range<Int>], saved: [Range<Int>], values: @escaping (Range<Int>) -> Tensor,
    sources: (([String]) -> [String])? = nil
  ) {
    self.name = name
    self.held = held
    self.saved = saved
    self.values = values
    self.sources = sources ?? { _ in [name] }
  }

  /// What rounding took from an exchange's messages.
  ///
  /// A run that goes on on as many nodes needs it back, to be the same to
  /// the bit; on more or fewer it begins with nothing, which costs the rounding of one step.
  static func rounding(_ prefix: String, _ exchange: ShardedExchange) -> [EngineState] {
    let errors = exchange.roundingErrors
    let names = errors.map { "\(prefix)-\($0.name)" }
    return zip(names, errors).map { name, errors in
      EngineState(name, held: errors.ranges, saved: errors.ranges, values: errors.values) { stored in
        Set(stored.filter { $0.hasPrefix(prefix + "-") }) == Set(names) ? [name] : []
      }
    }
  }
}

/// All ranks sum all gradients and update all parameters: the plain twin of `ShardedEngine`.
final class ReplicatedEngine: GradientEngine {
  let gradients: ParameterStore
  private let momentum: ParameterStore
  private var rates: [Encoder: Double] = [:]
  private let trained: TrainedParameters
  private let parameters: ParameterStore
  private let collectives: MeteredCollectives
  private let optimizer: SGD

  init(_ model: CLIP, _ trained: TrainedParameters, _ optimizer: SGD, _ collectives: MeteredCollectives) {
    self.trained = trained
    self.optimizer = optimizer
    self.collectives = collectives
    parameters = model.parameters
    gradients = trained.makeStore(parameters.layout)
    momentum = trained.makeStore(parameters.layout)
  }

  /// State is the same everywhere, so each rank writes an even share.
  var savedRanges: [Range<Int>] {
    [evenShard(of: trained.count, rank: collectives.rank, worldSize: collectives.worldSize)]
  }
  var states: [EngineState] {
    [
      EngineState(
        "momentum", held: [0..<trained.count], saved: savedRanges, values: momentum.values.slice,
        sources: LocalStepsEngine.momentumSources)
    ]
  }

  func begin(rates: [Encoder: Double]) { self.rates = rates }

  func gradientsReady(_ encoder: Encoder, layer: Int) -> Bool {
    ElementWise.isFinite(trained.values(of: encoder, layer: layer, in: gradients))
  }
  func gradientsAreZero(_ encoder: Encoder, layer: Int) {
    trained.values(of: encoder, layer: layer, in: gradients).fill(0)
  }

  func willUse(_ encoder: Encoder, layer: Int) {}
  func settle() {}
  func poll() {}

  func endStep(decides: () throws -> Bool) throws {
    try collectives.meter.phase("gradients") { try collectives.allReduce(gradients.values.buffer, .sum) }
    guard try decides() else { return }
    for encoder in Encoder.allCases {
      let window = trained.windows[encoder]!
      optimizer.update(
        parameters.values(in: window), gradient: gradients.values(in: window),
        momentumBuffer: momentum.values(in: window), rate: rates[encoder]!)
    }
  }
}

/// Each rank sums and updates its slices of the trained vector, and keeps the optimiser's state of these alone.
final class ShardedEngine: GradientEngine {
  let exchange: ShardedExchange
  let gradients: ParameterStore
  private let trained: TrainedParameters
  private let meter: TrafficMeter
  private let overlaps: Bool
  private let updateState: UpdateState
  private let segments: [Encoder: [Int: Int]]

  /// What an update works with; apart, so that the exchange does not hold the engine that holds it.
  private final class UpdateState {
    var rates: [Encoder: Double] = [:]
    var momentum = Tensor(zeros: [0])
  }

  /// An engine of the ranks of `messages`, for a model whose parameters those of a host share if `options.groupsNodes`.
  init(
    _ model: CLIP, _ trained: TrainedParameters, _ optimizer: SGD, _ settings: ExchangeSettings,
    options: ShardedExchange.Options? = nil, _ messages: any MessagePassing, _ meter: TrafficMeter,
    trace: TraceLog? = nil
  ) throws {
    self.meter = meter
    self.trained = trained
    overlaps = settings.overlap
    let (plan, segments) = trained.bucketPlan(settings, worldSize: messages.worldSize)
    self.segments = segments
    let state = UpdateState()
    updateState = state
    let vector = TrainedVector(trained, of: model.parameters)
    exchange = try ShardedExchange(plan, messages, options ?? settings.options) {
      vector.part($0)
    } update: { part, gradient in
      optimizer.update(
        vector.part(part.range), gradient: gradient, momentumBuffer: state.momentum.slice(part.owned),
        rate: state.rates[Encoder.allCases[part.group]]!)
    }
    gradients = trained.makeStore(model.parameters.layout, values: exchange.gradients)
    state.momentum = Tensor(zeros: [exchange.ownedCount])
    if let trace {
      let record = ExchangeTrace(trace, plan, settings.precision)
      exchange.onEvent = { record.add($0) }
    }
  }

  var savedRanges: [Range<Int>] { exchange.ownedRanges }
  var states: [EngineState] {
    [
      EngineState(
        "momentum", held: savedRanges, saved: savedRanges, values: momentum,
        sources: LocalStepsEngine.momentumSources)
    ] + EngineState.rounding("rounding", exchange)
  }

  /// Momentum of elements that this rank owns, shared.
  func momentum(_ range: Range<Int>) -> Tensor { exchange.owned(range, of: updateState.momentum) }

  func begin(rates: [Encoder: Double]) throws {
    try phase("gradients") { try exchange.begin() }
    // After what was left of the step before, which had its own.
    updateState.rates = rates
  }

  func gradientsReady(_ encoder: Encoder, layer: Int) throws -> Bool {
    let isFinite = ElementWise.isFinite(trained.values(of: encoder, layer: layer, in: gradients))
    try areFinal(encoder, layer)
    return isFinite
  }

  func gradientsAreZero(_ encoder: Encoder, layer: Int) throws {
    trained.values(of: encoder, layer: layer, in: gradients).fill(0)
    try areFinal(encoder, layer)
  }

  private func areFinal(_ encoder: Encoder, _ layer: Int) throws {
    try exchange.gradientsReady(segments[encoder]![layer]!)
    if overlaps { try phase("gradients") { try exchange.progress() } }
  }

  func willUse(_ encoder: Encoder, layer: Int) throws {
    try phase("gradients") { try exchange.waitForParameters(of: segments[encoder]![layer]!) }
  }

  func endStep(decides: () throws -> Bool) throws {
    guard exchange.appliesEagerly else {
      try phase("gradients") { try exchange.waitForSums() }
      let applies = try decides()
      return try phase("gradients") { try exchange.release(applies: applies) }
    }
    if !overlaps { try settle() }
    _ = try decides()
  }

  func settle() throws { try phase("gradients") { try exchange.finish() } }

  func poll() { if overlaps { phase("gradients") { exchange.poll() } } }

  private func phase<Result>(_ name: String, _ body: () throws -> Result) rethrows -> Result {
    try meter.phase(name, body)
  }
}

extension TrainedParameters {
  /// Elements of the trained vector that belong to each layer, by encoder.
  var layerRanges: [Encoder: [Int: Range<Int>]] {
    var start = 0
    var ranges: [Encoder: [Int: Range<Int>]] = [:]
    for encoder in Encoder.allCases {
      let window = windows[encoder]!
      let offset = start - window.lowerBound
      ranges[encoder] = layers[encoder]!.mapValues { $0.lowerBound + offset..<$0.upperBound + offset }
      start += window.count
    }
    return ranges
  }

  /// The cut of the trained vector, and the segment of each layer: the image encoder's from the last to the first, then
  /// the text encoder's, as the backward pass finishes them.
  func bucketPlan(
    _ settings: ExchangeSettings, worldSize: Int
  ) -> (plan: BucketPlan, segments: [Encoder: [Int: Int]]) {
    var segments: [BucketPlan.Segment] = []
    var indices: [Encoder: [Int: Int]] = [:]
    for (group, encoder) in Encoder.allCases.enumerated() {
      let ranges = layerRanges[encoder]!
      for layer in ranges.keys.sorted(by: >) {
        indices[encoder, default: [:]][layer] = segments.count
        segments.append(BucketPlan.Segment(ranges[layer]!, group: group))
      }
    }
    let counts = settings.bucketCounts
    return (
      BucketPlan(segments: segments, worldSize: worldSize, bucketCount: counts.usual, firstBucketCount: counts.first),
      indices
    )
  }
}
