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
}

/// Where the threads of a `LoopbackWorld` meet, once per collective call.
final class Rendezvous: @unchecked Sendable {  // Guarded by `condition`.
  let size: Int
  private let condition = NSCondition()
  private var arrived: [Contribution?]
  private var hasLeft: [Bool]
  /// Bytes of the last call; not overwritten before every rank has come back for the next one.
  private var gathered: [[UInt8]] = []
  /// Calls completed.
  private var generation = 0
  private var brokenBy: Failure?

  init(size: Int) {
    precondition(size > 0, "a world of \(size) ranks")
    self.size = size
    arrived = Array(repeating: nil, count: size)
    hasLeft = Array(repeating: false, count: size)
  }

  /// Why ranks can no longer meet, if so.
  var failure: Failure? { condition.withLock { brokenBy } }

  /// Waits for all ranks to make the same call; the last to arrive runs `combine` on what all bring, in order of rank.
  ///
  /// Returns the `bytes` of all ranks. Throws on every rank if the calls differ or a rank ends instead of coming.
  @discardableResult
  func meet(_ contribution: Contribution, rank: Int, combine: ([Contribution]) -> Void) throws -> [[UInt8]] {
    try condition.withLock {
      if let brokenBy { throw brokenBy }
      arrived[rank] = contribution
      if let absent = hasLeft.firstIndex(of: true) { throw abandon(waitingRank: rank, absent: absent) }
      let all = arrived.compactMap { $0 }
      if all.count == size { try complete(all, combine) } else { try waitForCompletion() }
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
        abandon(waitingRank: waiting, absent: rank)
      }
    }
  }

  private func complete(_ all: [Contribution], _ combine: ([Contribution]) -> Void) throws {
    if let other = all.firstIndex(where: { $0.call != all[0].call }) {
      let calls = "rank 0 calls \(all[0].call), rank \(other) calls \(all[other].call)"
      throw breakUp(Failure(.internalError, "ranks are out of step: \(calls)"))
    }
    combine(all)
    gathered = all.map(\.bytes)
    arrived = Array(repeating: nil, count: size)
    generation += 1
    condition.broadcast()
  }

  private func waitForCompletion() throws {
    let current = generation
    while generation == current {
      if let brokenBy { throw brokenBy }
      condition.wait()
    }
  }

  @discardableResult
  private func abandon(waitingRank: Int, absent: Int) -> Failure {
    let call = arrived[waitingRank]?.call ?? ""
    return breakUp(
      Failure(.internalError, "ranks are out of step: rank \(waitingRank) calls \(call), rank \(absent) has ended"))
  }

  @discardableResult
  private func breakUp(_ failure: Failure) -> Failure {
    brokenBy = failure
    condition.broadcast()
    return failure
  }
}
