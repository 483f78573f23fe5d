/// The ranks of a node as a world of their own, for work in which the other nodes take no part.
///
/// Ranks count from 0 in the order of their ranks in the whole world. Operations are made of the world's messages, which stay
/// on the node: a reduction gathers on the lowest rank, which adds in order of rank and sends the result back. That suits
/// short buffers and the ranks of one host; long ones are better off in node memory.
///
/// Different nodes may call different operations, in any order, as often as they like, with one exception: `nodeMemory` is
/// that of the world, so it stays collective over all ranks of the world.
public final class NodeGroup: MessagePassing {
  private let base: any MessagePassing
  /// Ranks of the world, ascending.
  private let members: [Int]

  /// This process among the ranks of the node.
  public let rank: Int

  /// Two below the end: the highest is that of `RowExchange`.
  private static let tag = MessageTag.end - 2

  /// The ranks of this rank's node; communicates nothing.
  public init(_ base: any MessagePassing) {
    self.base = base
    members = base.ranks(ofNode: base.node)
    rank = base.nodeRank
  }

  /// Ranks of the node.
  public var worldSize: Int { members.count }
  /// The same as `rank`.
  public var nodeRank: Int { rank }
  /// The same as `worldSize`.
  public var nodeSize: Int { members.count }
  /// Name of the host.
  public var hostName: String { base.hostName }
  /// One node.
  public var nodes: [Int] { members.map { _ in 0 } }

  /// That of the world.
  public var deadline: Duration {
    get { base.deadline }
    set { base.deadline = newValue }
  }

  /// That of the world.
  public var activity: @Sendable () -> String {
    get { base.activity }
    set { base.activity = newValue }
  }
}

// MARK: - Messages

extension NodeGroup {
  /// Starts to send to a rank of the node.
  public func send(_ bytes: UnsafeRawBufferPointer, to rank: Int, tag: Int) throws -> Transfer {
    checkAddress(rank, tag: tag)
    return try base.send(bytes, to: members[rank], tag: tag)
  }

  /// Starts to receive from a rank of the node.
  public func receive(into bytes: UnsafeMutableRawBufferPointer, from rank: Int, tag: Int) throws -> Transfer {
    checkAddress(rank, tag: tag)
    return try base.receive(into: bytes, from: members[rank], tag: tag)
  }

  /// Moves communication on and tells whether the transfer is done.
  public func isDone(_ transfer: Transfer) throws -> Bool { try base.isDone(transfer) }

  /// Returns when all are done.
  public func wait(for transfers: [Transfer]) throws { try base.wait(for: transfers) }

  /// Some of the ranks of the node as a world of their own.
  public func world(of ranks: [Int]) -> any MessagePassing { base.world(of: ranks.map { members[$0] }) }

  /// Memory that the ranks of the node share.
  ///
  /// Collective: all ranks of the whole world call this in the same order.
  public func nodeMemory(byteCount: Int, counters: Int) throws -> any NodeMemory {
    try base.nodeMemory(byteCount: byteCount, counters: counters)
  }

  /// Asks again and again until `isDone`.
  public func wait(in call: String, until isDone: () throws -> Bool) throws {
    try base.wait(in: call, until: isDone)
  }
}

// MARK: - Operations

extension NodeGroup {
  /// Returns when every rank of the node has come here.
  public func barrier() throws {
    var nothing: [Float] = []
    try allReduce(&nothing, .sum)
  }

  /// Reduces over the ranks of the node, in order of rank.
  public func allReduce<Element: CollectiveElement>(
    _ buffer: UnsafeMutableBufferPointer<Element>, _ operation: Reduction
  ) throws {
    let bytes = UnsafeMutableRawBufferPointer(buffer)
    guard rank == 0 else {
      try wait(for: [send(UnsafeRawBufferPointer(bytes), to: 0, tag: Self.tag)])
      return try wait(for: [receive(into: bytes, from: 0, tag: Self.tag)])
    }
    let others = Array(1..<max(1, worldSize))
    let brought = UnsafeMutableBufferPointer<Element>.allocate(capacity: others.count * buffer.count)
    defer { brought.deallocate() }
    func part(_ place: Int) -> UnsafeMutableBufferPointer<Element> {
      UnsafeMutableBufferPointer(rebasing: brought[place * buffer.count..<(place + 1) * buffer.count])
    }
    try wait(
      for: others.enumerated().map { place, rank in
        try receive(into: UnsafeMutableRawBufferPointer(part(place)), from: rank, tag: Self.tag)
      })
    for place in others.indices {
      let part = part(place)
      for index in buffer.indices { buffer[index] = Element.reduce(buffer[index], part[index], operation) }
    }
    try wait(for: others.map { try send(UnsafeRawBufferPointer(bytes), to: $0, tag: Self.tag) })
  }

  /// Copies the bytes of one rank of the node to the others.
  public func broadcast(_ bytes: UnsafeMutableRawBufferPointer, root: Int) throws {
    precondition((0..<worldSize).contains(root), "root \(root) is not in a world of \(worldSize)")
    guard rank == root else { return try wait(for: [receive(into: bytes, from: root, tag: Self.tag)]) }
    try wait(
      for: members.indices.filter { $0 != rank }.map {
        try send(UnsafeRawBufferPointer(bytes), to: $0, tag: Self.tag)
      })
  }

  /// The bytes of every rank of the node.
  public func allGather(_ bytes: [UInt8]) throws -> [[UInt8]] {
    var counts = members.map { _ in Int64(0) }
    counts[rank] = Int64(bytes.count)
    let width = MemoryLayout<Int64>.size
    try counts.withUnsafeMutableBytes { try complete($0, members.indices.map { $0 * width..<($0 + 1) * width }) }
    let ranges = segments(of: counts.map { Int($0) }, total: counts.reduce(0) { $0 + Int($1) })
    var all = [UInt8](repeating: 0, count: ranges.last!.upperBound)
    all.replaceSubrange(ranges[rank], with: bytes)
    try all.withUnsafeMutableBytes { try complete($0, ranges) }
    return ranges.map { Array(all[$0]) }
  }

  /// Completes a buffer of which each rank of the node has filled its own part.
  public func allGather(into buffer: UnsafeMutableBufferPointer<Float>, counts: [Int]) throws {
    let width = MemoryLayout<Float>.stride
    let ranges = segments(of: counts, total: buffer.count)
    try complete(
      UnsafeMutableRawBufferPointer(buffer), ranges.map { $0.lowerBound * width..<$0.upperBound * width })
  }

  /// Sends this rank's part of some bytes to all others, and receives theirs.
  private func complete(_ bytes: UnsafeMutableRawBufferPointer, _ parts: [Range<Int>]) throws {
    func part(_ rank: Int) -> UnsafeMutableRawBufferPointer {
      UnsafeMutableRawBufferPointer(rebasing: bytes[parts[rank]])
    }
    let others = parts.indices.filter { $0 != rank }
    let incoming = try others.map { try receive(into: part($0), from: $0, tag: Self.tag) }
    let outgoing = try others.map { try send(UnsafeRawBufferPointer(part(rank)), to: $0, tag: Self.tag) }
    try wait(for: incoming + outgoing)
  }
}
