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
  /// Messages that were done and counters that were set.
  private var events = 0
  /// Calls completed.
  private var generation = 0
  private var brokenBy: Failure?
  /// Where some of the ranks meet apart from the others.
  private var parts: [[Int]: Rendezvous] = [:]

  /// Who calls, and how it waits.
  struct Caller {
    let rank: Int
    let deadline: Duration
    let activity: @Sendable () -> String
  }

  private struct Wait {
    let call: String
    /// Nil for one that only its own rank can judge, which it does again and again.
    let isOver: (() -> Bool)?

    var hasEnded: Bool { isOver?() ?? false }
  }

  init(nodes: [Int]) {
    precondition(!nodes.isEmpty, "a world of 0 ranks")
    self.nodes = nodes
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
  func meet(_ contribution: Contribution, _ caller: Caller, combine: ([Contribution]) throws -> Void) throws
    -> [[UInt8]]
  {
    try condition.withLock {
      if let brokenBy { throw brokenBy }
      arrived[caller.rank] = contribution
      if let absent = hasLeft.firstIndex(of: true) {
        throw abandon(caller.rank, calling: contribution.call, absent: absent)
      }
      let all = arrived.compactMap { $0 }
      if all.count == size {
        try complete(all, combine)
      } else {
        let current = generation
        try block(caller, calling: contribution.call) { self.generation != current }
      }
      return gathered
    }
  }

  /// Tells the others that a rank ends; those that wait for it, or ever will, throw.
  func leave(rank: Int, _ outcome: Result<some Any, any Error>) {
    condition.withLock {
      hasLeft[rank] = true
      defer { for (ranks, part) in parts { ranks.firstIndex(of: rank).map { part.leave(rank: $0, outcome) } } }
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

  /// Where these ranks meet apart from the others; whoever loses the whole world loses the part too.
  func part(of ranks: [Int], nodes: [Int]) -> Rendezvous {
    condition.withLock {
      let part = parts[ranks] ?? Rendezvous(nodes: nodes)
      parts[ranks] = part
      if let brokenBy { part.condition.withLock { _ = part.breakUp(brokenBy) } }
      return part
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
      if transfer.isFinished {
        events += 1
        condition.broadcast()
      }
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
  func wait(for transfers: [Transfer], _ caller: Caller) throws {
    try condition.withLock {
      guard let open = transfers.first(where: { !$0.isFinished }) else { return }
      if let brokenBy { throw brokenBy }
      try block(caller, calling: open.call) { transfers.allSatisfy(\.isFinished) }
    }
  }

  /// Memory that this rank's node shares, made by the last rank of the world to arrive.
  func nodeMemory(_ layout: NodeMemoryLayout, _ caller: Caller) throws -> NodeMemoryBlock {
    try meet(Contribution(call: "nodeMemory", layout: layout), caller) { contributions in
      var made: [Int: NodeMemoryBlock] = [:]
      for (rank, contribution) in contributions.enumerated() {
        let first = contributions[nodes.firstIndex(of: nodes[rank])!].layout!
        let layout = contribution.layout!
        guard layout == first else {
          throw Failure(
            .internalError,
            "ranks are out of step: on node \(nodes[rank]) some call \(first.call), rank \(rank) calls \(layout.call)")
        }
        let memory = made[nodes[rank]] ?? NodeMemoryBlock(heapFor: layout, didSetCounter: wake)
        made[nodes[rank]] = memory
        nodeMemories[rank] = memory
      }
    }
    return condition.withLock { nodeMemories.removeValue(forKey: caller.rank)! }
  }

  /// Lets ranks that wait for a counter look again.
  @Sendable private func wake() {
    condition.withLock {
      events += 1
      condition.broadcast()
    }
  }
}

// MARK: - Waiting

extension Rendezvous {
  /// Blocks a rank's thread until `isOver`; call with the lock held.
  ///
  /// Throws on all ranks when the deadline has passed, or when no rank is left that could end the wait.
  private func block(
    _ caller: Caller, calling call: String, until isOver: @escaping () -> Bool
  ) throws {
    let end = Date(timeIntervalSinceNow: caller.deadline / .seconds(1))
    waits[caller.rank] = Wait(call: call, isOver: isOver)
    defer { waits[caller.rank] = nil }
    if isDeadlocked { throw breakUp(Failure(.internalError, "ranks wait for each other: \(callsInWords)")) }
    while !isOver() {
      if let brokenBy { throw brokenBy }
      if !condition.wait(until: end), !isOver(), brokenBy == nil { throw breakUp(expiry(caller, calling: call)) }
    }
  }

  /// Counts messages that were done and counters that were set.
  var eventCount: Int { condition.withLock { events } }

  /// Blocks a rank's thread for a moment, in a wait that has lasted since `start`; not at all if anything has happened after
  /// `seen` events.
  ///
  /// Throws on all ranks when the deadline has passed, or when for a while all ranks have waited and nothing has happened.
  func pause(_ caller: Caller, calling call: String, since start: ContinuousClock.Instant, seen: Int) throws {
    try condition.withLock {
      if let brokenBy { throw brokenBy }
      if start.duration(to: .now) > caller.deadline { throw breakUp(expiry(caller, calling: call)) }
      waits[caller.rank] = Wait(call: call, isOver: nil)
      defer { waits[caller.rank] = nil }
      if events != seen { return }
      guard allWait else {
        _ = condition.wait(until: Date(timeIntervalSinceNow: 0.001))
        return
      }
      let isWoken = condition.wait(until: Date(timeIntervalSinceNow: min(caller.deadline / .seconds(1), 5)))
      if !isWoken, events == seen, brokenBy == nil, allWait {
        throw breakUp(Failure(.internalError, "ranks wait for each other: \(callsInWords)"))
      }
    }
  }

  /// Whether no rank is left that could end a wait, for certain.
  private var isDeadlocked: Bool {
    waits.indices.allSatisfy { rank in hasLeft[rank] || waits[rank].map { $0.isOver != nil && !$0.hasEnded } ?? false }
  }

  /// The same where ranks that judge for themselves may find that their wait is over.
  private var allWait: Bool {
    waits.indices.allSatisfy { rank in hasLeft[rank] || waits[rank].map { !$0.hasEnded } ?? false }
  }

  /// What the ranks that wait call, in words.
  private var callsInWords: String {
    waits.indices.compactMap { rank in waits[rank].map { "rank \(rank) calls \($0.call)" } }.joined(separator: ", ")
  }

  private func expiry(_ caller: Caller, calling call: String) -> Failure {
    let missing = RankList(waits.indices.filter { $0 != caller.rank && waits[$0]?.hasEnded ?? true })
    let activity = caller.activity()
    let words = [
      missing.count > 0 ? "\(missing) \(missing.verb) missing" : nil, callsInWords.isEmpty ? nil : callsInWords,
    ]
    return Failure(
      .internalError,
      "no answer for \(caller.deadline.inWords) in \(call)" + (activity.isEmpty ? "" : " (\(activity))") + ": "
        + words.compactMap { $0 }.joined(separator: "; "))
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
    for part in parts.values { part.condition.withLock { _ = part.breakUp(part.brokenBy ?? failure) } }
    return failure
  }
}
