/// Passes every operation on to other collectives and counts it with a meter.
///
/// An operation that throws is not counted. `agree` and the other operations built from the basic ones are counted as
/// those.
public final class MeteredCollectives: MessagePassing {
  /// Where traffic is counted.
  public let meter: TrafficMeter
  private let base: any MessagePassing

  /// Counts the traffic of `base` with `meter`, and lets `base` tell the meter's place and phase as its activity.
  public init(_ base: any MessagePassing, meter: TrafficMeter) {
    self.base = base
    self.meter = meter
    base.activity = { [meter] in meter.activity }
  }

  /// This process among all, in `0..<worldSize`.
  public var rank: Int { base.rank }
  /// Number of processes in the run.
  public var worldSize: Int { base.worldSize }
  /// This process among those of the same host.
  public var nodeRank: Int { base.nodeRank }
  /// Number of processes on this host.
  public var nodeSize: Int { base.nodeSize }
  /// Name of the host this rank runs on.
  public var hostName: String { base.hostName }

  /// Waits for every rank; counts a call without payload.
  public func barrier() throws {
    try base.barrier()
    count(payload: 0, ringPasses: 0)
  }

  /// Reduces over all ranks; counts the buffer.
  public func allReduce<Element: CollectiveElement>(
    _ buffer: UnsafeMutableBufferPointer<Element>, _ operation: Reduction
  ) throws {
    try base.allReduce(buffer, operation)
    count(payload: buffer.count * MemoryLayout<Element>.stride, ringPasses: 2)
  }

  /// Copies from one rank to all; counts the buffer.
  public func broadcast(_ bytes: UnsafeMutableRawBufferPointer, root: Int) throws {
    try base.broadcast(bytes, root: root)
    count(payload: bytes.count, ringPasses: 1)
  }

  /// Gathers the bytes of all ranks; counts all of them.
  public func allGather(_ bytes: [UInt8]) throws -> [[UInt8]] {
    let gathered = try base.allGather(bytes)
    count(payload: gathered.reduce(0) { $0 + $1.count }, ringPasses: 1)
    return gathered
  }

  /// Completes a buffer from the parts of all ranks; counts the whole buffer.
  public func allGather(into buffer: UnsafeMutableBufferPointer<Float>, counts: [Int]) throws {
    try base.allGather(into: buffer, counts: counts)
    count(payload: buffer.count * MemoryLayout<Float>.stride, ringPasses: 1)
  }

  private func count(payload: Int, ringPasses: Int) {
    var traffic = Traffic()
    traffic.calls = 1
    traffic.payloadBytes = payload
    traffic.wireBytes = Double(ringPasses * (worldSize - 1)) / Double(worldSize) * Double(payload)
    meter.record(traffic)
  }
}

// MARK: - Messages

extension MeteredCollectives {
  /// Node of each rank.
  public var nodes: [Int] { base.nodes }

  /// How long a wait may see nothing happen.
  public var deadline: Duration {
    get { base.deadline }
    set { base.deadline = newValue }
  }

  /// What this rank is doing; at first, place and phase of the meter.
  public var activity: @Sendable () -> String {
    get { base.activity }
    set { base.activity = newValue }
  }

  /// Starts to send; counts the message where it begins.
  public func send(_ bytes: UnsafeRawBufferPointer, to rank: Int, tag: Int) throws -> Transfer {
    let transfer = try base.send(bytes, to: rank, tag: tag)
    var traffic = Traffic()
    traffic.messages = 1
    traffic.sentBytes = rank == base.rank ? 0 : bytes.count
    traffic.interNodeBytes = nodes[rank] == node ? 0 : bytes.count
    meter.record(traffic)
    return transfer
  }

  /// Starts to receive; the sender counts the message.
  public func receive(into bytes: UnsafeMutableRawBufferPointer, from rank: Int, tag: Int) throws -> Transfer {
    try base.receive(into: bytes, from: rank, tag: tag)
  }

  /// Moves communication on and tells whether the transfer is done.
  public func isDone(_ transfer: Transfer) throws -> Bool { try base.isDone(transfer) }

  /// Returns when all are done.
  public func wait(for transfers: [Transfer]) throws { try base.wait(for: transfers) }

  /// Some of the ranks as a world of their own, whose traffic is not counted.
  public func world(of ranks: [Int]) -> any MessagePassing { base.world(of: ranks) }

  /// Memory that the ranks of this node share; what they write there is not counted.
  public func nodeMemory(byteCount: Int, counters: Int) throws -> any NodeMemory {
    let memory = try base.nodeMemory(byteCount: byteCount, counters: counters)
    count(payload: 0, ringPasses: 0)
    return memory
  }

  /// Asks again and again until `isDone`.
  public func wait(in call: String, until isDone: () throws -> Bool) throws {
    try base.wait(in: call, until: isDone)
  }
}
