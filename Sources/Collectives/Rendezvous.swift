import Diagnostics
import Foundation

/// What one rank brings to a collective call.
struct Contribution {
  /// Operation and arguments that must be equal on all ranks.
  var call: String
  /// Memory of the rank, which the last rank to arrive reads and writes while the owner waits.
  var buffer = UnsafeMutableRawBufferPointer(start: nil, count: 0)
  /// Bytes handed to every rank.
  var bytes: [UInt8] = []
  /// What it wants its node to share.
  var layout: NodeMemoryLayout?
}

/// Where the threads of a `LoopbackWorld` meet, once per collective call, and leave messages for each other.
///
/// It sees all ranks at once, so it knows when one can wait for ever: for a rank that has ended, for ranks that all wait.
final class Rendezvous: @unchecked Sendable {  // Guarded by `condition`.
  /// Node of each rank.
  let nodes: [Int]
  private let deadline: Duration
  private let condition = NSCondition()
  private var arrived: [Contribution?]
  private var hasLeft: [Bool]
  /// What the ranks that are blocked wait for.
  private var waits: [Wait?]
  private var mailboxes = Mailboxes()
  /// Node memory that ranks have not picked up yet.
  private var nodeMemories: [Int: NodeMemoryBlock] = [:]
  /// Bytes of the last call; not overwritten before every rank has come back for the next one.
  private var gathered: [[UInt8]] = []
  /// Calls completed.
  private var generation = 0
  private var brokenBy: Failure?

  private struct Wait {
    let call: String
    let isOver: () -> Bool
  }

  init(nodes: [Int], deadline: Duration) {
    precondition(!nodes.isEmpty, "a world of 0 ranks")
    self.nodes = nodes
    self.deadline = deadline
    arrived = Array(repeating: nil, count: nodes.count)
    hasLeft = Array(repeating: false, count: nodes.count)
    waits = Array(repeating: nil, count: nodes.count)
  }

  var size: Int { nodes.count }

  /// Why ranks can no longer meet, if so.
  var failure: Failure? { condition.withLock { brokenBy } }

  /// Waits for all ranks to make the same call; the last to arrive runs `combine` on what all bring, in order of rank.
  ///
  /// Returns the `bytes` of all ranks. Throws on every rank if the calls differ or a rank ends instead of coming.
  @discardableResult
  func meet(_ contribution: Contribution, rank: Int, combine: ([Contribution]) throws -> Void) throws
    -> [[UInt8]]
  {
    try condition.withLock {
      if let brokenBy { throw brokenBy }
      arrived[rank] = contribution
      if let absent = hasLeft.firstIndex(of: true) { throw abandon(rank, calling: contribution.call, absent: absent) }
      let all = arrived.compactMap { $0 }
      if all.count == size {
        try complete(all, combine)
      } else {
        let current = generation
        try block(rank, calling: contribution.call) { self.generation != current }
      }
      return gathered
    }
  }

  /// Tells the others that a rank ends; those that wait for it, or ever will, throw.
  func leave(rank: Int, _ outcome: Result<some Any, any Error>) {
    condition.withLock {
      hasLeft[rank] = true
      guard brokenBy == nil else { return }
      if case .failure(let error) = outcome {
        breakUp(Failure(.internalError, "rank \(rank) of \(size) failed: \(error)"))
      } else if let waiting = arrived.firstIndex(where: { $0 != nil }) {
        abandon(waiting, calling: arrived[waiting]?.call ?? "", absent: rank)
      } else if let (starter, transfer) = mailboxes.unfinished(with: rank) {
        abandon(starter, calling: transfer.call, absent: rank)
      }
    }
  }

  private func complete(_ all: [Contribution], _ combine: ([Contribution]) throws -> Void) throws {
    if let other = all.firstIndex(where: { $0.call != all[0].call }) {
      let calls = "rank 0 calls \(all[0].call), rank \(other) calls \(all[other].call)"
      throw breakUp(Failure(.internalError, "ranks are out of step: \(calls)"))
    }
    do { try combine(all) } catch let failure as Failure { throw breakUp(failure) }
    gathered = all.map(\.bytes)
    arrived = Array(repeating: nil, count: size)
    generation += 1
    condition.broadcast()
  }
}

// MARK: - Messages

extension Rendezvous {
  /// Starts one side of a message.
  func post(_ transfer: Transfer, _ bytes: UnsafeMutableRawBufferPointer, rank: Int) throws {
    try condition.withLock {
      if let brokenBy { throw brokenBy }
      do { try mailboxes.post(transfer, bytes, rank: rank) } catch let failure as Failure { throw breakUp(failure) }
      if hasLeft[transfer.peer], !transfer.isFinished {
        throw abandon(rank, calling: transfer.call, absent: transfer.peer)
      }
      if transfer.isFinished { condition.broadcast() }
    }
  }

  /// Whether a transfer is done.
  func isDone(_ transfer: Transfer) throws -> Bool {
    try condition.withLock {
      if !transfer.isFinished, let brokenBy { throw brokenBy }
      return transfer.isFinished
    }
  }

  /// Blocks until all are done.
  func wait(for transfers: [Transfer], rank: Int) throws {
    try condition.withLock {
      guard let open = transfers.first(where: { !$0.isFinished }) else { return }
      if let brokenBy { throw brokenBy }
      try block(rank, calling: open.call) { transfers.allSatisfy(\.isFinished) }
    }
  }

  /// Memory that this rank's node shares, made by the last rank of the world to arrive.
  func nodeMemory(_ layout: NodeMemoryLayout, rank: Int) throws -> NodeMemoryBlock {
    try meet(Contribution(call: "nodeMemory", layout: layout), rank: rank) { contributions in
      var made: [Int: NodeMemoryBlock] = [:]
      for (rank, contribution) in contributions.enumerated() {
        let first = contributions[nodes.firstIndex(of: nodes[rank])!].layout!
        let layout = contribution.layout!
        guard layout == first else {
          throw Failure(
            .internalError,
            "ranks are out of step: on node \(nodes[rank]) some call \(first.call), rank \(rank) calls \(layout.call)")
        }
        let memory = made[nodes[rank]] ?? NodeMemoryBlock(heapFor: layout)
        made[nodes[rank]] = memory
        nodeMemories[rank] = memory
      }
    }
    return condition.withLock { nodeMemories.removeValue(forKey: rank)! }
  }
}

// MARK: - Waiting

extension Rendezvous {
  /// Blocks a rank's thread until `isOver`; call with the lock held.
  ///
  /// Throws on all ranks when the deadline has passed, or when no rank is left that could end the wait.
  private func block(_ rank: Int, calling call: String, until isOver: @escaping () -> Bool) throws {
    let end = Date(timeIntervalSinceNow: deadline / .seconds(1))
    waits[rank] = Wait(call: call, isOver: isOver)
    defer { waits[rank] = nil }
    if isDeadlocked { throw breakUp(Failure(.internalError, "ranks wait for each other: \(callsInWords)")) }
    while !isOver() {
      if let brokenBy { throw brokenBy }
      if !condition.wait(until: end), !isOver(), brokenBy == nil { throw breakUp(expiry(of: rank)) }
    }
  }

  private var isDeadlocked: Bool {
    waits.indices.allSatisfy { rank in hasLeft[rank] || waits[rank]?.isOver() == false }
  }

  /// What the ranks that wait call, in words.
  private var callsInWords: String {
    waits.indices.compactMap { rank in waits[rank].map { "rank \(rank) calls \($0.call)" } }.joined(separator: ", ")
  }

  private func expiry(of rank: Int) -> Failure {
    let missing = RankList(waits.indices.filter { waits[$0]?.isOver() ?? true })
    return Failure(
      .internalError,
      "no answer for \(deadline) in \(waits[rank]?.call ?? ""): \(missing) \(missing.verb) missing; "
        + callsInWords)
  }

  @discardableResult
  private func abandon(_ rank: Int, calling call: String, absent: Int) -> Failure {
    breakUp(
      Failure(.internalError, "ranks are out of step: rank \(rank) calls \(call), rank \(absent) has ended"))
  }

  @discardableResult
  private func breakUp(_ failure: Failure) -> Failure {
    brokenBy = failure
    condition.broadcast()
    return failure
  }
}
