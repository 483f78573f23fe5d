import Collectives
import Diagnostics
import Kernels
import Tensors

/// Sums the gradients of all ranks, updates each slice on the rank that owns it, and hands the results to the others, while
/// the backward pass and the next forward pass go on.
///
/// One exchange per step: `begin`, `gradientsReady` for each segment as it becomes final, `progress` as often as it suits in
/// between, and `waitForParameters` before a segment's parameters are used again. For each bucket of the plan:
///
/// 1. When all ranks of a node have its gradients, each adds up the slices that it handles (`ExchangeTopology`).
/// 2. Sums of slices that ranks of other nodes own go to them, in fp32 or bfloat16; owners add what comes, in fp32.
/// 3. The owner updates its slice and sends the new values, or in bfloat16 the change, to one rank of each other node.
///
/// Ranks of a node share one copy of the parameters, so nothing is sent among them. Messages move only inside calls of this
/// class. Sums are made in an order that is fixed by the plan and the topology: the same on every run.
///
/// Collective: all ranks exchange in step. Used by one thread.
public final class ShardedExchange {
  /// What the exchange is built on, and how.
  public struct Options: Sendable {
    /// What crosses the network.
    public var precision: WirePrecision
    /// Whether an owner updates its slice as soon as it is summed; else `release` is waited for.
    public var appliesEagerly: Bool
    /// Whether ranks of a host add up in memory; else each sends messages to all others.
    public var groupsNodes: Bool
    /// Buckets that may be on their way at once.
    public var window: Int

    /// The usual options unless others are given.
    public init(
      precision: WirePrecision = .float32, appliesEagerly: Bool = true, groupsNodes: Bool = true, window: Int = 4
    ) {
      precondition(window > 0, "a window of \(window) buckets")
      self.precision = precision
      self.appliesEagerly = appliesEagerly
      self.groupsNodes = groupsNodes
      self.window = window
    }
  }

  /// What this rank owns of a bucket.
  public struct OwnedPart: Sendable {
    /// The bucket, as an index of the plan's.
    public let bucket: Int
    /// Group of its elements.
    public let group: Int
    /// Elements of the trained vector.
    public let range: Range<Int>
    /// The same elements in a vector of all that this rank owns, in the order of buckets.
    public let owned: Range<Int>
  }

  /// How far a bucket has come.
  enum Phase: Int, Comparable {
    /// The backward pass still adds to it.
    case filling
    /// Final on this rank.
    case ready
    /// Added up on this node; on its way to the owners.
    case summed
    /// This rank's slice holds the sum over all ranks.
    case reduced
    /// This rank's slice is updated; those of other nodes are on their way.
    case updated
    /// All that this rank handles is there.
    case arrived
    /// All of the bucket is there.
    case complete

    static func < (left: Phase, right: Phase) -> Bool { left.rawValue < right.rawValue }
  }

  /// The cut of the trained vector.
  public let plan: BucketPlan
  /// This rank's gradients `[count]`, which are written between `begin` and `gradientsReady`.
  public let gradients: Tensor
  /// What this rank owns, by bucket.
  public let parts: [OwnedPart]
  /// What was sent so far.
  public internal(set) var traffic = ExchangeTraffic()
  /// Called when a bucket gets on, for traces.
  public var onEvent: (ExchangeEvent) -> Void = { _ in }

  let messages: any MessagePassing
  let topology: ExchangeTopology
  let options: Options
  let parameters: (Range<Int>) -> Tensor
  let update: (OwnedPart, Tensor) -> Void
  let board: ProgressBoard
  /// Gradients of the ranks of this node, in order of rank.
  let neighbours: [Tensor]
  let staging: ExchangeStaging
  var phases: [Phase]
  /// Buckets for whose sums room was made.
  var expected = 0
  var incoming: [[Transfer]]
  var outgoing: [[Transfer]]
  var gathered: [[Transfer]]
  var handedOut: [[Transfer]]
  /// Number of the exchange, from 1 on; 0 before the first.
  var number: UInt64 = 0
  var isReleased = true
  private var failure: (any Error)?

  /// An exchange of `plan` over all ranks.
  ///
  /// - Parameters:
  ///   - other: An exchange of as many elements among the same ranks of this node, in whose memory gradients are kept; only one
  ///     of the two may be under way.
  ///   - parameters: The model's parameters of a range of the trained vector, inside one group; shared by the ranks of a
  ///     node where `groupsNodes` is set.
  ///   - update: Changes the parameters of a part, given the summed gradients.
  ///
  /// Collective: all ranks call this in the same order, with equal plans and options.
  public init(
    _ plan: BucketPlan, _ messages: any MessagePassing, _ options: Options = Options(),
    memoryOf other: ShardedExchange? = nil,
    parameters: @escaping (Range<Int>) -> Tensor, update: @escaping (OwnedPart, Tensor) -> Void
  ) throws {
    self.plan = plan
    self.messages = messages
    self.options = options
    self.parameters = parameters
    self.update = update
    topology = ExchangeTopology(rank: messages.rank, nodes: messages.nodes, groupsNodes: options.groupsNodes)
    var end = 0
    parts = plan.buckets.enumerated().map { index, bucket in
      let range = bucket.slices[messages.rank]
      defer { end += range.count }
      return OwnedPart(bucket: index, group: bucket.group, range: range, owned: end..<end + range.count)
    }
    let memory = try other?.memory ?? GradientMemory(count: plan.count, topology, messages)
    precondition(memory.own.count == plan.count && memory.all.count == topology.local.count, "another node's memory")
    gradients = memory.own
    neighbours = memory.all
    board = try ProgressBoard(buckets: plan.buckets.count, topology, messages)
    staging = ExchangeStaging(plan, topology, options)
    phases = plan.buckets.map { _ in .complete }
    incoming = plan.buckets.map { _ in [] }
    outgoing = incoming
    gathered = incoming
    handedOut = incoming
  }

  private var memory: GradientMemory { GradientMemory(own: gradients, all: neighbours) }

  /// Whether owners update without a `release`.
  public var appliesEagerly: Bool { options.appliesEagerly }

  /// What this rank owns of the trained vector, without empty ranges.
  public var ownedRanges: [Range<Int>] { parts.map(\.range).filter { !$0.isEmpty } }

  /// The values of a range of the trained vector that lies in one part, in a vector of all that this rank owns; shared.
  public func owned(_ range: Range<Int>, of values: Tensor) -> Tensor {
    let part = parts.first { $0.range.contains(range) }!
    let start = part.owned.lowerBound + range.lowerBound - part.range.lowerBound
    return values.slice(start..<start + range.count)
  }

  /// Elements that this rank owns.
  public var ownedCount: Int { parts.last?.owned.upperBound ?? 0 }
}

// MARK: - One exchange

extension ShardedExchange {
  /// Starts an exchange: gradients may be written afterwards.
  ///
  /// Waits for what is left of the one before.
  public func begin() throws {
    try finish()
    number += 1
    isReleased = options.appliesEagerly
    for index in phases.indices { phases[index] = .filling }
    expected = 0
    for _ in phases.prefix(options.window) { try expectNextSums() }
  }

  /// Says that gradients of a segment, an index of the plan's, are final, and that its parameters are not used any more in
  /// this step.
  ///
  /// Segments are named in their order.
  public func gradientsReady(_ segment: Int) throws {
    for (index, bucket) in plan.buckets.enumerated() where bucket.lastSegment == segment && phases[index] == .filling {
      phases[index] = .ready
      board.set(.ready, index, number)
      onEvent(ExchangeEvent(.ready, bucket: index))
    }
  }

  /// Moves everything on that can move; never blocks.
  ///
  /// What goes wrong is thrown here or, where it cannot be, by the next call that may throw.
  public func progress() throws {
    if let failure { throw failure }
    var isMoving = true
    while isMoving {
      isMoving = false
      for index in phases.indices where phases[index] != .complete && phases[index] != .filling {
        while try advance(index) { isMoving = true }
      }
    }
  }

  /// `progress` for places that cannot throw: an error is kept for the next call that can.
  public func poll() {
    guard failure == nil else { return }
    do { try progress() } catch { failure = error }
  }

  /// Waits until this rank's slices hold the sums over all ranks.
  public func waitForSums() throws {
    try wait("sums of gradients") { self.phases.allSatisfy { $0 >= .reduced } }
  }

  /// Lets owners update, or leaves the parameters as they are; all ranks alike.
  ///
  /// Only where updates are not made eagerly, after `waitForSums`.
  public func release(applies: Bool) throws {
    precondition(!options.appliesEagerly && phases.allSatisfy { $0 == .reduced }, "nothing is held back")
    isReleased = true
    guard !applies else { return try progress() }
    for index in phases.indices {
      phases[index] = .arrived
      board.set(.arrived, index, number)
    }
  }

  /// Waits until the parameters of a segment are those of the finished exchange.
  public func waitForParameters(of segment: Int) throws {
    let buckets = plan.buckets(of: segment)
    if buckets.allSatisfy({ phases[$0] == .complete }) { return }
    try wait("parameters") { buckets.allSatisfy { self.phases[$0] == .complete } }
  }

  /// Waits until everything of this exchange is there, on this rank.
  public func finish() throws {
    try wait("parameters") { self.phases.allSatisfy { $0 == .complete } }
  }

  /// Waits until what this rank has handed to other nodes is out, too, after `finish`.
  ///
  /// Messages are sent from where the parameters are: until all ranks of the node have come back from here, nothing but this
  /// exchange may change them.
  public func finishSending() throws {
    try messages.wait(for: handedOut.flatMap { $0 })
    for index in handedOut.indices { handedOut[index] = [] }
  }

  private func wait(_ what: String, until isDone: () -> Bool) throws {
    try progress()
    if isDone() { return }
    onEvent(ExchangeEvent(.waiting, bucket: 0))
    defer { onEvent(ExchangeEvent(.resumed, bucket: 0)) }
    try messages.wait(in: "exchange of gradients, for \(what)") {
      try progress()
      return isDone()
    }
  }
}
