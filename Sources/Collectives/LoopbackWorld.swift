import Diagnostics
import Foundation
import Synchronization

/// Ranks as threads of one process: the twin of a run under `mpirun`, for tests and for programs without a launcher.
///
/// Ranks really wait for each other, and reductions add in order of rank, so results are reproducible. What would hang or
/// corrupt a run on a cluster is a clear error here: ranks that call different operations or counts, a rank that ends while
/// others still communicate.
public enum LoopbackWorld {
  /// Stack of each rank's thread, in bytes.
  public static let stackSize = 16 << 20

  /// Time after which a rank that waits gives up.
  public static let defaultDeadline = Duration.seconds(600)

  /// Runs `body` as each of `size` ranks, one thread each, and returns their results in order of rank.
  ///
  /// Ranks lie on nodes of `ranksPerNode` each, the last with what is left; by default all on one. A rank that throws wakes
  /// the others with a failure that names it, as does one that waits for longer than `deadline`. After all have ended, this
  /// throws the error of the lowest rank that failed on its own account. Traps if `size` or `ranksPerNode` is not positive.
  public static func run<Result: Sendable>(
    size: Int, ranksPerNode: Int? = nil, deadline: Duration = defaultDeadline,
    _ body: @escaping @Sendable (any MessagePassing) throws -> Result
  ) throws -> [Result] {
    precondition(ranksPerNode ?? 1 > 0, "nodes of no rank")
    return try run(nodes: (0..<size).map { $0 / (ranksPerNode ?? size) }, deadline: deadline, body)
  }

  /// The same with the node of each rank, numbered as in `MessagePassing.nodes`.
  public static func run<Result: Sendable>(
    nodes: [Int], deadline: Duration = defaultDeadline,
    _ body: @escaping @Sendable (any MessagePassing) throws -> Result
  ) throws -> [Result] {
    let rendezvous = Rendezvous(nodes: nodes)
    let outcomes = Outcomes<Result>(size: nodes.count)
    for rank in nodes.indices {
      let thread = Thread {
        let outcome = Swift.Result {
          try body(LoopbackCollectives(rank: rank, deadline: deadline, rendezvous: rendezvous))
        }
        rendezvous.leave(rank: rank, outcome)
        outcomes.record(outcome, rank: rank)
      }
      thread.stackSize = stackSize
      thread.name = "rank \(rank)"
      thread.start()
    }
    let ended = outcomes.wait()
    let errors = ended.compactMap { outcome -> (any Error)? in
      if case .failure(let error) = outcome { error } else { nil }
    }
    let own = errors.first { $0 as? Failure == nil || $0 as? Failure != rendezvous.failure }
    if let error = own ?? errors.first { throw error }
    return try ended.map { try $0.get() }
  }

  /// A world of one rank, for use in the calling thread.
  public static func alone() -> any MessagePassing {
    LoopbackCollectives(rank: 0, deadline: defaultDeadline, rendezvous: Rendezvous(nodes: [0]))
  }
}

/// What each rank's thread came to.
private final class Outcomes<Value: Sendable>: @unchecked Sendable {  // Guarded by `condition`.
  private let condition = NSCondition()
  private var outcomes: [Result<Value, any Error>?]

  init(size: Int) { outcomes = Array(repeating: nil, count: size) }

  func record(_ outcome: Result<Value, any Error>, rank: Int) {
    condition.withLock {
      outcomes[rank] = outcome
      condition.signal()
    }
  }

  /// Blocks until every rank has recorded its outcome.
  func wait() -> [Result<Value, any Error>] {
    condition.withLock {
      while outcomes.contains(where: { $0 == nil }) { condition.wait() }
      return outcomes.map { $0! }
    }
  }
}

/// One rank of a `LoopbackWorld`.
final class LoopbackCollectives: MessagePassing {
  let rank: Int
  private let rendezvous: Rendezvous
  private let settings: Mutex<Settings>

  private struct Settings {
    var deadline: Duration
    var activity: @Sendable () -> String = { "" }
  }

  init(rank: Int, deadline: Duration, rendezvous: Rendezvous) {
    settings = Mutex(Settings(deadline: deadline))
    self.rank = rank
    self.rendezvous = rendezvous
  }

  var worldSize: Int { rendezvous.size }
  var nodes: [Int] { rendezvous.nodes }
  var nodeRank: Int { nodes.prefix(rank).count { $0 == node } }
  var nodeSize: Int { nodes.count { $0 == node } }
  var hostName: String { nodeCount > 1 ? "loopback\(node)" : "loopback" }

  var deadline: Duration {
    get { settings.withLock { $0.deadline } }
    set { settings.withLock { $0.deadline = newValue } }
  }
  var activity: @Sendable () -> String {
    get { settings.withLock { $0.activity } }
    set { settings.withLock { $0.activity = newValue } }
  }

  private var caller: Rendezvous.Caller {
    settings.withLock { Rendezvous.Caller(rank: rank, deadline: $0.deadline, activity: $0.activity) }
  }

  func barrier() throws {
    try rendezvous.meet(Contribution(call: "barrier()"), caller) { _ in }
  }

  func allReduce<Element: CollectiveElement>(
    _ buffer: UnsafeMutableBufferPointer<Element>, _ operation: Reduction
  ) throws {
    let call = "allReduce(\(buffer.count) \(Element.elementKind), \(operation))"
    let contribution = Contribution(call: call, buffer: UnsafeMutableRawBufferPointer(buffer))
    try rendezvous.meet(contribution, caller) { contributions in
      let buffers = contributions.map { $0.buffer.assumingMemoryBound(to: Element.self) }
      for index in buffers[0].indices {
        let total = buffers.dropFirst().reduce(buffers[0][index]) { Element.reduce($0, $1[index], operation) }
        for buffer in buffers { buffer[index] = total }
      }
    }
  }

  func broadcast(_ bytes: UnsafeMutableRawBufferPointer, root: Int) throws {
    precondition((0..<worldSize).contains(root), "root \(root) is not in a world of \(worldSize)")
    let call = "broadcast(\(bytes.count) bytes, root: \(root))"
    try rendezvous.meet(Contribution(call: call, buffer: bytes), caller) { contributions in
      let source = UnsafeRawBufferPointer(contributions[root].buffer)
      for (rank, contribution) in contributions.enumerated() where rank != root {
        contribution.buffer.copyMemory(from: source)
      }
    }
  }

  func allGather(_ bytes: [UInt8]) throws -> [[UInt8]] {
    try rendezvous.meet(Contribution(call: "allGather(bytes)", bytes: bytes), caller) { _ in }
  }

  func allGather(into buffer: UnsafeMutableBufferPointer<Float>, counts: [Int]) throws {
    let segments = segments(of: counts, total: buffer.count)
    let call = "allGather(counts: \(counts))"
    let contribution = Contribution(call: call, buffer: UnsafeMutableRawBufferPointer(buffer))
    try rendezvous.meet(contribution, caller) { contributions in
      let buffers = contributions.map { $0.buffer.assumingMemoryBound(to: Float.self) }
      for (owner, segment) in segments.enumerated() {
        for (rank, buffer) in buffers.enumerated() where rank != owner {
          for index in segment { buffer[index] = buffers[owner][index] }
        }
      }
    }
  }
}

// MARK: - Messages

extension LoopbackCollectives {
  func send(_ bytes: UnsafeRawBufferPointer, to rank: Int, tag: Int) throws -> Transfer {
    try start(.send, UnsafeMutableRawBufferPointer(mutating: bytes), rank, tag)
  }

  func receive(into bytes: UnsafeMutableRawBufferPointer, from rank: Int, tag: Int) throws -> Transfer {
    try start(.receive, bytes, rank, tag)
  }

  private func start(
    _ role: Transfer.Role, _ bytes: UnsafeMutableRawBufferPointer, _ peer: Int, _ tag: Int
  ) throws -> Transfer {
    checkAddress(peer, tag: tag)
    let transfer = Transfer(role, peer: peer, tag: tag, byteCount: bytes.count)
    try rendezvous.post(transfer, bytes, rank: rank)
    return transfer
  }

  func isDone(_ transfer: Transfer) throws -> Bool { try rendezvous.isDone(transfer) }

  func wait(for transfers: [Transfer]) throws { try rendezvous.wait(for: transfers, caller) }

  func world(of ranks: [Int]) -> any MessagePassing {
    let part = LoopbackCollectives(
      rank: place(in: ranks), deadline: deadline, rendezvous: rendezvous.part(of: ranks, nodes: nodes(of: ranks)))
    part.activity = activity
    return part
  }

  func nodeMemory(byteCount: Int, counters: Int) throws -> any NodeMemory {
    try rendezvous.nodeMemory(NodeMemoryLayout(byteCount: byteCount, counters: counters), caller)
  }

  func wait(in call: String, until isDone: () throws -> Bool) throws {
    let start = ContinuousClock.now
    while true {
      let seen = rendezvous.eventCount
      if try isDone() { return }
      try rendezvous.pause(caller, calling: call, since: start, seen: seen)
    }
  }
}
