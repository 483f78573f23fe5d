import Collectives
import TestSupport
import Testing

/// The ranks of each node as a world of their own: the same rules, on all nodes at once.
@Suite struct NodeGroupTests {
  static let worlds: [[Int]] = [[0], [0, 0, 0], [0, 1], [0, 1, 0, 1, 1], [0, 0, 1, 1, 1, 2]]
  private static let counts = [0, 1, 5, 64, 1023]

  @Test(arguments: worlds) func operationsFollowTheirFormulas(nodes: [Int]) throws {
    _ = try LoopbackWorld.run(nodes: nodes) {
      let conformance = CollectivesConformance(NodeGroup($0), counts: Self.counts)
      try conformance.checkAllReduce()
      try conformance.checkBroadcast()
      try conformance.checkAllGather()
    }
  }

  @Test(arguments: worlds) func messagesAndMemoryStayOnTheNode(nodes: [Int]) throws {
    let meters = try LoopbackWorld.run(nodes: nodes) {
      let meter = TrafficMeter()
      let conformance = MessagePassingConformance(
        NodeGroup(MeteredCollectives($0, meter: meter)), counts: Self.counts)
      try conformance.checkNodes()
      try conformance.checkMessages()
      try conformance.checkNodeMemory()
      return meter
    }
    #expect(meters.allSatisfy { $0.total.interNodeBytes == 0 && $0.total.messages > 0 })
  }

  @Test func nodesDoNotWaitForEachOther() throws {
    let sums = try LoopbackWorld.run(nodes: [0, 0, 1, 1, 1]) { world in
      let group = NodeGroup(world)
      var sum: Int64 = 1
      for _ in 0...2 * world.node { sum = try group.allReduce(sum, .sum) }
      return sum
    }
    #expect(sums == [2, 2, 27, 27, 27])
  }

  @Test func sumsAddInOrderOfRank() throws {
    let sums = try LoopbackWorld.run(nodes: [0, 1, 0, 1, 0, 1]) { world in
      try NodeGroup(world).allReduce([1e8, 1, -1e8][world.nodeRank] as Float, .sum)
    }
    #expect(sums == [0, 0, 0, 0, 0, 0])
  }

  @Test func aFailureIsThatOfTheNodeAlone() throws {
    let failed = try LoopbackWorld.run(nodes: [0, 0, 1, 1]) { world in
      do {
        try NodeGroup(world).agree { if world.rank == 3 { throw CancellationError() } }
        return false
      } catch { return true }
    }
    #expect(failed == [false, false, true, true])
  }
}
