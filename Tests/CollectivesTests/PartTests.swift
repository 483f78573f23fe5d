import Collectives
import Diagnostics
import TestSupport
import Testing

/// Some of the ranks as a world of their own: the same rules, to the bit those of a world of that size.
@Suite struct PartTests {
  private static let parts: [[[Int]]] = [[[0, 1], [2]], [[0], [1, 2]], [[0, 2], [1, 3, 4]], [[0, 1, 2, 3]]]

  private static func part(of rank: Int, _ parts: [[Int]]) -> [Int] { parts.first { $0.contains(rank) }! }

  @Test(arguments: parts) func operationsFollowTheirFormulas(parts: [[Int]]) throws {
    _ = try LoopbackWorld.run(size: parts.joined().count, ranksPerNode: 2) { world in
      let part = world.world(of: Self.part(of: world.rank, parts))
      let conformance = CollectivesConformance(part, counts: [0, 1, 5, 64])
      try conformance.checkAllReduce()
      try conformance.checkBroadcast()
      try conformance.checkAllGather()
      let messages = MessagePassingConformance(part, counts: [0, 1, 5, 64])
      try messages.checkNodes()
      try messages.checkMessages()
      try messages.checkNodeMemory()
      try world.barrier()
    }
  }

  @Test func sumsAreThoseOfASmallerWorld() throws {
    let values: [Float] = [1e8, 1, -1e8, 3]
    let whole = try LoopbackWorld.run(size: 3) { try $0.allReduce(values[$0.rank], .sum) }
    let sums = try LoopbackWorld.run(size: 4) { world in
      let part = world.world(of: world.rank < 3 ? [0, 1, 2] : [3])
      return try part.allReduce(values[world.rank], .sum)
    }
    #expect(Array(sums.prefix(3)) == whole && sums[3] == 3)
  }

  /// Whoever waits within a part is not left waiting for a rank that is gone.
  @Test func aRankThatFailsEndsItsPartAndTheWorld() throws {
    let problem = failure {
      _ = try LoopbackWorld.run(size: 4, deadline: .seconds(20)) { world in
        let part = world.world(of: world.rank < 2 ? [0, 1] : [2, 3])
        if world.rank == 3 { throw Failure(.badData, "broken") }
        if world.rank == 0 { try world.barrier() } else { try part.barrier() }
      }
    }
    #expect(problem == Failure(.badData, "broken"))
  }

  @Test func partsDoNotWaitForEachOther() throws {
    let sums = try LoopbackWorld.run(size: 5) { world in
      let part = world.world(of: world.rank < 2 ? [0, 1] : [2, 3, 4])
      var sum: Int64 = 1
      for _ in 0...(world.rank < 2 ? 0 : 2) { sum = try part.allReduce(sum, .sum) }
      return sum
    }
    #expect(sums == [2, 2, 27, 27, 27])
  }
}
