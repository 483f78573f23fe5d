import CLIPModel
import Collectives
import GradientExchange
import Optimization
import Reporting
import SkipTuning
import Tensors

/// The ranks of each host train by themselves, and all hosts average what came of it now and then: local steps.
///
/// Between two synchronisations nothing crosses the network. Each host keeps its own momentum. Where ranks of a host share
/// no weights (`exchange.two_level: false`), each rank is as a host of its own.
final class LocalStepsEngine: GradientEngine {
  private let inner: ShardedEngine
  private let averaging: ParameterAveraging
  private let meter: TrafficMeter
  private let group: TrainingGroup

  /// An engine of `group`, whose part of the global batch decides how much it counts in averages.
  init(
    _ model: CLIP, _ trained: TrainedParameters, _ optimizer: SGD, _ settings: ExchangeSettings, _ group: TrainingGroup,
    _ collectives: MeteredCollectives, trace: TraceLog? = nil
  ) throws {
    self.group = group
    meter = collectives.meter
    // Nothing of a step leaves the host, so nothing need be rounded.
    let options = ShardedExchange.Options(appliesEagerly: settings.options.appliesEagerly)
    inner = try ShardedEngine(
      model, trained, optimizer, settings, options: options, group.members, collectives.meter, trace: trace)
    let vector = TrainedVector(trained, of: model.parameters)
    averaging = try ParameterAveraging(
      trained.bucketPlan(settings, worldSize: collectives.worldSize).plan, collectives, settings.options,
      over: inner.exchange, share: group.share, settings.outer
    ) { vector.part($0) }
  }

  var gradients: ParameterStore { inner.gradients }
  var savedRanges: [Range<Int>] { averaging.exchange.ownedRanges }

  func begin(rates: [Encoder: Double]) throws {
    averaging.willTrain()
    try inner.begin(rates: rates)
  }

  func gradientsReady(_ encoder: Encoder, layer: Int) throws -> Bool {
    try inner.gradientsReady(encoder, layer: layer)
  }
  func gradientsAreZero(_ encoder: Encoder, layer: Int) throws { try inner.gradientsAreZero(encoder, layer: layer) }
  func willUse(_ encoder: Encoder, layer: Int) throws { try inner.willUse(encoder, layer: layer) }
  func endStep(decides: () throws -> Bool) throws { try inner.endStep(decides: decides) }
  func settle() throws { try inner.settle() }
  func poll() { inner.poll() }

  func synchronize() throws {
    try inner.settle()
    try meter.phase("gradients") { try averaging.average() }
  }
}

// MARK: - State

extension LocalStepsEngine {
  private static let outerMomentum = "outer_momentum"
  private static let prefix = "momentum-host-"

  /// Momentum of every host, of which each rank holds a part of its own host's, the outer momentum, and what rounding took.
  var states: [EngineState] {
    let owned = averaging.exchange.ownedRanges
    let ofHosts = (0..<group.count).map { host in
      let held = host == group.index ? inner.savedRanges : []
      return EngineState("\(Self.prefix)\(host)", held: held, saved: held, values: inner.momentum) { [group] in
        Self.sources(host: host, of: group.count, $0)
      }
    }
    let outer = EngineState(Self.outerMomentum, held: owned, saved: owned) { [averaging] in
      averaging.exchange.owned($0, of: averaging.momentum)
    } sources: {
      // A run that took no local steps has none.
      $0.contains { $0.hasPrefix(Self.prefix) } ? [Self.outerMomentum] : []
    }
    return ofHosts + [outer] + EngineState.rounding("average-rounding", averaging.exchange)
  }

  /// A host's own momentum where as many hosts as now saved theirs, else the mean of all.
  private static func sources(host: Int, of count: Int, _ stored: [String]) -> [String] {
    let names = stored.filter { $0.hasPrefix(prefix) }
    return names.isEmpty ? ["momentum"] : names.count == count ? ["\(prefix)\(host)"] : names
  }

  /// What the momentum of an engine that takes no local steps comes from.
  static func momentumSources(_ stored: [String]) -> [String] {
    let names = stored.filter { $0.hasPrefix(prefix) }
    return names.isEmpty ? ["momentum"] : names
  }
}
