import Collectives

/// What every implementation of `MessagePassing` must do beyond `Collectives`, as formulas of rank and world size.
public struct MessagePassingConformance {
  private let collectives: any MessagePassing
  private let basics: CollectivesConformance
  private var rank: Int { collectives.rank }
  private var size: Int { collectives.worldSize }

  /// Checks `collectives` with messages of each of `counts` bytes.
  public init(_ collectives: any MessagePassing, counts: [Int]) {
    self.collectives = collectives
    basics = CollectivesConformance(collectives, counts: counts)
  }

  /// Nodes are numbered by their lowest ranks, and agree with the place on them.
  public func checkNodes() throws {
    let nodes = collectives.nodes
    try basics.expect("number of nodes", [nodes.count]) { _ in size }
    for (node, lowest) in (0..<collectives.nodeCount).map({ ($0, nodes.firstIndex(of: $0) ?? size) }) {
      try basics.expect("nodes before node \(node)", [Set(nodes.prefix(lowest)).count]) { _ in node }
      try basics.expect("ranks of node \(node)", collectives.ranks(ofNode: node)) { index in
        (0..<size).filter { nodes[$0] == node }[index]
      }
    }
    let neighbours = collectives.ranks(ofNode: collectives.node)
    try basics.expect("place on the node", [collectives.nodeRank, collectives.nodeSize]) { index in
      [neighbours.firstIndex(of: rank)!, neighbours.count][index]
    }
  }

  // MARK: - Messages

  private func sent(_ source: Int, _ destination: Int, _ index: Int) -> UInt8 {
    UInt8(truncatingIfNeeded: 31 * source + 57 * destination + 7 * index + 1)
  }

  /// Messages of every rank to every rank, itself included, at all sizes.
  ///
  /// Collective: all ranks call this in the same order.
  public func checkMessages() throws {
    for (tag, count) in basics.counts.enumerated() {
      try checkAllPairs(count, tag: tag)
      try checkAllPairs(count, tag: MessageTag.end - 1)
      try checkOrder(count)
    }
    try checkTags()
    try checkAsking()
    try collectives.wait(for: [])
  }

  /// From source to destination go `count` bytes, and the ranks' numbers more.
  private func checkAllPairs(_ count: Int, tag: Int) throws {
    func length(_ source: Int, _ destination: Int) -> Int { count + 2 * source + destination }
    let outgoing = (0..<size).map { peer in (0..<length(rank, peer)).map { sent(rank, peer, $0) } }
    let incoming = (0..<size).map { Scratch(length($0, rank)) }
    var transfers: [Transfer] = []
    try withBuffers(outgoing) { buffers in
      // Half of the ranks send first, the other half receive first.
      for turn in [rank % 2, 1 - rank % 2] {
        for peer in 0..<size {
          if turn == 0 {
            transfers.append(try collectives.send(buffers[peer], to: peer, tag: tag))
          } else {
            transfers.append(try collectives.receive(into: incoming[peer].bytes, from: peer, tag: tag))
          }
        }
      }
      try collectives.wait(for: transfers)
    }
    for transfer in transfers {
      guard try collectives.isDone(transfer) else { throw basics.mismatch("\(transfer.role)", 0, "done", "not") }
    }
    for peer in 0..<size {
      try basics.expect("message of \(count) bytes from \(peer)", Array(incoming[peer].bytes)) { sent(peer, rank, $0) }
    }
  }

  /// Three messages to the next rank under one tag, of growing size, arrive as they were sent.
  private func checkOrder(_ count: Int) throws {
    let (next, previous) = ((rank + 1) % size, (rank + size - 1) % size)
    let lengths = [count, count + 1, count + 5]
    let incoming = lengths.map { Scratch($0) }
    var transfers = try incoming.map { try collectives.receive(into: $0.bytes, from: previous, tag: 7) }
    try withBuffers(lengths.enumerated().map { turn, length in (0..<length).map { sent(rank, turn, $0) } }) { buffers in
      transfers += try buffers.map { try collectives.send($0, to: next, tag: 7) }
      try collectives.wait(for: transfers)
    }
    for (turn, scratch) in incoming.enumerated() {
      try basics.expect("message \(turn) of several", Array(scratch.bytes)) { sent(previous, turn, $0) }
    }
  }

  /// What is sent under tags 0 to 3 may be received from 3 to 0.
  private func checkTags() throws {
    let (next, previous) = ((rank + 1) % size, (rank + size - 1) % size)
    let incoming = (0..<4).map { _ in Scratch(5) }
    try withBuffers((0..<4).map { tag in (0..<5).map { sent(rank, tag, $0) } }) { buffers in
      let sends = try (0..<4).map { try collectives.send(buffers[$0], to: next, tag: $0) }
      let receives = try (0..<4).reversed().map { tag in
        try collectives.receive(into: incoming[tag].bytes, from: previous, tag: tag)
      }
      try collectives.wait(for: receives + sends)
    }
    for (tag, scratch) in incoming.enumerated() {
      try basics.expect("message of tag \(tag)", Array(scratch.bytes)) { sent(previous, tag, $0) }
    }
  }

  /// A receive is not done before its message is sent, and asking is enough to have it done.
  private func checkAsking() throws {
    let (next, previous) = ((rank + 1) % size, (rank + size - 1) % size)
    let incoming = Scratch(100_000)
    let receive = try collectives.receive(into: incoming.bytes, from: previous, tag: 1)
    guard !(try collectives.isDone(receive)) else { throw basics.mismatch("receive", 0, "not done", "done") }
    try collectives.barrier()
    try withBuffers([(0..<100_000).map { sent(rank, next, $0) }]) { buffers in
      let send = try collectives.send(buffers[0], to: next, tag: 1)
      while !(try collectives.isDone(send) && collectives.isDone(receive)) {}
    }
    try basics.expect("message that was asked for", Array(incoming.bytes)) { sent(previous, rank, $0) }
  }

  // MARK: - Node memory

  /// Memory of several sizes: zeroed, seen by the node's ranks and by no others.
  ///
  /// Collective: all ranks call this in the same order.
  public func checkNodeMemory() throws {
    for (count, counters) in [(0, 0), (0, 3), (40_000, 0), (1, 1), (1 << 20, collectives.nodeSize)] {
      let memory = try collectives.nodeMemory(byteCount: count, counters: counters)
      try basics.expect("size of node memory", [memory.bytes.count]) { _ in count }
      try basics.expect("new node memory", Array(memory.bytes)) { _ in 0 }
      try basics.expect("new counters", (0..<counters).map { memory.counter($0) }) { _ in 0 }
      try collectives.barrier()
    }
    for round in 1...3 { try checkRelay(round) }
  }

  /// Each rank fills its share of the memory and says so; each reads all shares.
  private func checkRelay(_ round: Int) throws {
    let (count, neighbours) = (10_007 * round, collectives.ranks(ofNode: collectives.node))
    let memory = try collectives.nodeMemory(byteCount: count * neighbours.count, counters: neighbours.count)
    for index in 0..<count { memory.bytes[collectives.nodeRank * count + index] = sent(rank, round, index) }
    memory.setCounter(collectives.nodeRank, to: UInt64(round))
    for (place, neighbour) in neighbours.enumerated() {
      try collectives.wait(in: "relay") { memory.counter(place) == UInt64(round) }
      let share = Array(memory.bytes[place * count..<(place + 1) * count])
      try basics.expect("share of rank \(neighbour) of the node memory", share) { sent(neighbour, round, $0) }
    }
  }
}

/// Memory for incoming messages.
private final class Scratch {
  let bytes: UnsafeMutableRawBufferPointer

  init(_ count: Int) {
    bytes = .allocate(byteCount: count, alignment: 1)
    bytes.initializeMemory(as: UInt8.self, repeating: 0xee)
  }

  deinit { bytes.deallocate() }
}

/// The bytes of all arrays, in one place while `body` runs.
private func withBuffers(_ arrays: [[UInt8]], _ body: ([UnsafeRawBufferPointer]) throws -> Void) throws {
  let joined = arrays.flatMap { $0 }
  try joined.withUnsafeBytes { all in
    var start = 0
    try body(
      arrays.map { array in
        defer { start += array.count }
        return UnsafeRawBufferPointer(rebasing: all[start..<start + array.count])
      })
  }
}
