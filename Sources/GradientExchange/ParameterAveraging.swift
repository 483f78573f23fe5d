import Collectives
import Kernels
import Tensors

/// Averages the parameters of nodes that have trained by themselves for a while, with an outer optimiser on the change:
/// local steps.
///
/// Since the last average, the *anchor*, the parameters of node h have become `p[h]`. `average` makes
///
///     d = sum over nodes of share[h] * (anchor - p[h])
///     m = momentum * m + d
///     p = anchor - rate * (d + momentum * m)
///
/// on all nodes alike: stochastic gradient descent with Nesterov momentum, whose gradient is the change that nodes have made.
/// Rate 1 and momentum 0 make p the mean of all p[h], as in local SGD (Stich 2018, arXiv:1805.09767); other values are those of
/// DiLoCo (Douillard et al. 2023, arXiv:2311.08105).
///
/// The change is exchanged as gradients are: in buckets, one sum per node, each slice updated by its owner, which alone keeps
/// its `m`. Ranks of a node divide the anchor among themselves.
///
/// Collective: all ranks average in step. Used by one thread.
public final class ParameterAveraging {
  /// The outer optimiser.
  public struct Settings: Sendable, Equatable {
    /// Multiple of the change that is applied.
    public var rate: Double
    /// Share of the former changes that is kept.
    public var momentum: Double

    /// Plain averaging unless others are given.
    public init(rate: Double = 1, momentum: Double = 0) {
      self.rate = rate
      self.momentum = momentum
    }
  }

  /// What carries the changes; its parts are those of `momentum`.
  public let exchange: ShardedExchange
  /// Outer momentum of what this rank owns.
  public let momentum: Tensor
  private let share: Double
  private let parameters: (Range<Int>) -> Tensor
  /// The parts of the vector that this rank looks after on its node, each inside one group.
  private let pieces: [(range: Range<Int>, anchor: Tensor)]
  /// Whether parameters may differ from the anchor.
  private var isAway = false

  /// What an update works with; apart, so that the exchange does not hold the object that holds it.
  private final class State {
    var momentum = Tensor(zeros: [0])
  }

  /// Averaging over all nodes of `messages`, each of which counts for `share` of the whole; shares add up to 1.
  ///
  /// Changes are made in the memory of the gradients of `inner`, by which the ranks of this node train, or this rank alone
  /// where nodes are not grouped; it must have exchanged everything before `average` is called. `parameters` are as in
  /// `ShardedExchange`. Collective: all ranks call this in the same order, with equal plans, options and settings.
  public init(
    _ plan: BucketPlan, _ messages: any MessagePassing, _ options: ShardedExchange.Options, over inner: ShardedExchange,
    share: Double, _ settings: Settings, parameters: @escaping (Range<Int>) -> Tensor
  ) throws {
    var options = options
    options.appliesEagerly = true
    self.share = share
    self.parameters = parameters
    let state = State()
    exchange = try ShardedExchange(plan, messages, options, memoryOf: inner, parameters: parameters) {
      StochasticGradient.nesterovUpdate(
        parameters: parameters($0.range), momentumBuffer: state.momentum.slice($0.owned), gradient: $1,
        rate: Float(settings.rate), momentum: Float(settings.momentum))
    }
    momentum = Tensor(zeros: [exchange.ownedCount])
    state.momentum = momentum
    let (place, neighbours) = (exchange.topology.localRank, exchange.topology.local.count)
    pieces = plan.groupRanges.compactMap { group in
      let part = evenShard(of: group.count, rank: place, worldSize: neighbours)
      let range = group.lowerBound + part.lowerBound..<group.lowerBound + part.upperBound
      return part.isEmpty ? nil : (range, Tensor(uninitialized: [part.count]))
    }
  }

  /// Makes the parameters as they are the anchor, unless training has gone on since the last time.
  ///
  /// To be called before gradients of a step are exchanged.
  public func willTrain() {
    guard !isAway else { return }
    for piece in pieces { piece.anchor.copy(from: parameters(piece.range)) }
    isAway = true
  }

  /// Averages; all nodes have the same parameters afterwards, to the bit.
  ///
  /// Returns when they are there. Collective: all ranks call this in the same order.
  public func average() throws {
    willTrain()
    isAway = false
    try exchange.begin()
    // The other pieces are those of other ranks of this node.
    exchange.gradients.fill(0)
    for piece in pieces {
      // The change is exchanged as a gradient at the anchor, where all nodes have the same parameters.
      ElementWise.takeBack(
        parameters(piece.range), to: piece.anchor, scale: Float(share), change: exchange.gradients.slice(piece.range))
    }
    for segment in exchange.plan.segments.indices {
      try exchange.gradientsReady(segment)
      try exchange.progress()
    }
    try exchange.finish()
    // The next steps change parameters; not before this rank takes part in them.
    try exchange.finishSending()
  }
}
