import Collectives
import Coordination
import Diagnostics
import Foundation
import Synchronization
import Testing

@Suite struct WorkSharingTests {
  /// Squares of items, one batch a step.
  private final class Squares: ChunkWork {
    private let chunk: WorkChunk
    private let batch: Int
    private let beforeStep: () throws -> Void
    private var done = 0

    init(_ chunk: WorkChunk, batch: Int, beforeStep: @escaping () throws -> Void) {
      (self.chunk, self.batch, self.beforeStep) = (chunk, batch, beforeStep)
    }

    var remainingSteps: Int { (chunk.items.count + batch - 1) / batch - done }

    func step() throws {
      try beforeStep()
      done += 1
    }

    func result() -> [UInt8] { chunk.items.map { UInt8(($0 * $0 + chunk.unit) % 251) } }
  }

  private struct Outcome: Equatable {
    var squares: [[Int: UInt8]]
    var chunks: Int
  }

  private static let sizes = [7, 100, 0, 33]

  private func run(
    ranks: Int, _ role: CoordinatorRole, _ sizing: WorkQueue.Sizing,
    beforeStep: @escaping @Sendable (_ rank: Int) throws -> Void = { _ in },
    onResult: @escaping @Sendable (WorkChunk) throws -> Void = { _ in }
  ) throws -> Outcome {
    let sizes = Self.sizes
    return try LoopbackWorld.run(size: ranks, deadline: .seconds(20)) { collectives in
      let sharing = WorkSharing(collectives, role)
      var outcome = Outcome(squares: sizes.map { _ in [:] }, chunks: 0)
      let coordination = WorkSharing.Coordination(
        queue: { WorkQueue(sizes.map { [0..<$0] }, batch: 4, workers: sharing.workers, sizing: sizing) },
        onResult: { chunk, bytes in
          try onResult(chunk)
          outcome.chunks += 1
          for (item, byte) in zip(chunk.items, bytes) {
            guard outcome.squares[chunk.unit].updateValue(byte, forKey: item) == nil else {
              throw Failure(.internalError, "item \(item) came twice")
            }
          }
        })
      try sharing.run(coordination) { chunk in
        Squares(chunk, batch: 4) { try beforeStep(collectives.rank) }
      }
      return outcome
    }[0]
  }

  private var expected: [[Int: UInt8]] {
    Self.sizes.enumerated().map { unit, size in
      Dictionary(uniqueKeysWithValues: (0..<size).map { ($0, UInt8(($0 * $0 + unit) % 251)) })
    }
  }

  @Test(arguments: CoordinatorRole.allCases, [WorkQueue.Sizing.items(4), .items(9), .items(1000), .seconds(0.5)])
  func theSameAtAnyNumberOfRanks(role: CoordinatorRole, sizing: WorkQueue.Sizing) throws {
    for ranks in 1...4 {
      #expect(try run(ranks: ranks, role, sizing).squares == expected, "\(ranks) ranks")
    }
  }

  /// A dedicated coordinator does no work itself, unless it is alone.
  @Test func whoWorks() throws {
    for ranks in 1...3 {
      let workers = Mutex<Set<Int>>([])
      _ = try run(
        ranks: ranks, .dedicated, .items(4), beforeStep: { rank in workers.withLock { _ = $0.insert(rank) } })
      #expect(workers.withLock { !$0.contains(0) } == (ranks > 1))
    }
  }

  /// One that fails ends all, with its failure, and what came before was told.
  @Test(arguments: CoordinatorRole.allCases, 0..<3) func aFailureEndsAll(role: CoordinatorRole, culprit: Int) throws {
    guard role == .shared || culprit > 0 else { return }
    let steps = Mutex(0)
    let told = Mutex(0)
    let problem = #expect(throws: Failure.self) {
      _ = try run(
        ranks: 3, role, .items(4),
        beforeStep: { rank in
          guard rank == culprit else {
            // The culprit must get work before the others have done it all.
            usleep(1000)
            return
          }
          let step = steps.withLock { count in
            count += 1
            return count
          }
          if step == 3 { throw Failure(.badData, at: "image 3", "is damaged") }
        }, onResult: { _ in told.withLock { $0 += 1 } })
    }
    #expect(problem?.status == .badData && problem?.problem == "is damaged (rank \(culprit) of 3)")
    #expect(told.withLock { $0 } >= 2)
  }

  @Test func aFailureToKeepResultsEndsAll() throws {
    for ranks in 1...3 {
      let problem = #expect(throws: Failure.self) {
        _ = try run(
          ranks: ranks, .shared, .items(4), onResult: { _ in throw Failure(.inputOutput, "the disk is full") })
      }
      #expect(problem?.status == .inputOutput)
    }
  }

  /// A rank that is gone is named, and nobody waits for ever.
  @Test(arguments: [0, 2]) func aLostRankIsNamed(lost: Int) throws {
    let problem = #expect(throws: Failure.self) {
      _ = try LoopbackWorld.run(size: 3, deadline: .milliseconds(300)) { collectives in
        if collectives.rank == lost { return }
        let coordination = WorkSharing.Coordination(
          queue: { WorkQueue([[0..<40]], batch: 4, workers: 0..<3, sizing: .items(4)) }, onResult: { _, _ in })
        try WorkSharing(collectives, .shared).run(coordination) { chunk in Squares(chunk, batch: 4) {} }
      }
    }
    #expect(problem.map { "\($0)".contains("rank \(lost)") } == true, "\(problem.map { "\($0)" } ?? "")")
  }

  /// Ranks that take turns in any order come to the same.
  @Test(arguments: 0..<12) func anyOrderOfArrival(seed: UInt64) throws {
    let random = Mutex(SplitMix(seed))
    let outcome = try run(
      ranks: 4, seed % 2 == 0 ? .shared : .dedicated, .items(4),
      beforeStep: { _ in
        let looks = random.withLock { Int.random(in: 0...2000, using: &$0) }
        for _ in 0..<looks { _ = ContinuousClock.now }
      })
    #expect(outcome.squares == expected)
  }
}
