import Collectives
import Diagnostics
import Foundation
import TestSupport
import Testing

@Suite struct LoopbackTests {
  private static let counts = [0, 1, 5, 64, 1023]

  @Test(arguments: 1...5) func reductionsFollowTheirFormulas(size: Int) throws {
    _ = try LoopbackWorld.run(size: size) { try CollectivesConformance($0, counts: Self.counts).checkAllReduce() }
  }

  @Test(arguments: 1...5) func broadcastsFollowTheirFormulas(size: Int) throws {
    _ = try LoopbackWorld.run(size: size) { try CollectivesConformance($0, counts: Self.counts).checkBroadcast() }
  }

  @Test(arguments: 1...5) func gathersFollowTheirFormulas(size: Int) throws {
    _ = try LoopbackWorld.run(size: size) { try CollectivesConformance($0, counts: Self.counts).checkAllGather() }
  }

  @Test(arguments: 1...5) func ranksKnowTheirPlace(size: Int) throws {
    let places = try LoopbackWorld.run(size: size) { [$0.rank, $0.worldSize, $0.nodeRank, $0.nodeSize] }
    #expect(places == (0..<size).map { [$0, size, $0, size] })
  }

  /// 1e8 + 1 - 1e8 in Float is 0 from left to right and 1 in any other order that cancels first.
  @Test func sumsAddInOrderOfRank() throws {
    let sums = try LoopbackWorld.run(size: 3) { try $0.allReduce([1e8, 1, -1e8][$0.rank] as Float, .sum) }
    #expect(sums == [0, 0, 0])
  }

  @Test func aWorldOfOneNeedsNoThread() throws {
    let collectives = LoopbackWorld.alone()
    #expect(try collectives.allReduce(3.5, .sum) == 3.5)
    #expect(try collectives.allGather([1, 2]) == [[1, 2]])
  }

  @Test func differentOperationsAreAnErrorOnAllRanks() throws {
    let messages = try LoopbackWorld.run(size: 3) { collectives in
      try message { if collectives.rank == 2 { try collectives.barrier() } else { _ = try collectives.allGather([]) } }
    }
    #expect(
      messages
        == Array(repeating: "ranks are out of step: rank 0 calls allGather(bytes), rank 2 calls barrier()", count: 3))
  }

  @Test func differentCountsAreAnError() throws {
    let messages = try LoopbackWorld.run(size: 2) { collectives in
      try message {
        var values = [Float](repeating: 0, count: 4 + collectives.rank)
        try collectives.allReduce(&values, .sum)
      }
    }
    let expected =
      "ranks are out of step: rank 0 calls allReduce(4 float32, sum), rank 1 calls allReduce(5 float32, sum)"
    #expect(messages == [expected, expected])
  }

  @Test func aRankThatEndsEarlyIsAnErrorForThoseThatWait() throws {
    let messages = try LoopbackWorld.run(size: 2) { collectives in
      collectives.rank == 1 ? "" : try message { try collectives.barrier() }
    }
    #expect(messages == ["ranks are out of step: rank 0 calls barrier(), rank 1 has ended", ""])
  }

  @Test func aRankThatThrowsWakesTheOthersAndItsErrorIsThrown() throws {
    let failure = Failure(.badData, "broken")
    #expect(throws: failure) {
      try LoopbackWorld.run(size: 4) { collectives in
        if collectives.rank == 2 { throw failure }
        let heard = try message { try collectives.barrier() }
        #expect(heard == "rank 2 of 4 failed: broken")
        try collectives.barrier()
      }
    }
  }

  /// Worlds as nodes of their ranks: one node, whole and uneven nodes, ranks dealt out in turn.
  private static let worlds = [
    [0], [0, 0], [0, 1], [0, 0, 0], [0, 0, 1, 1], [0, 1, 0, 1], [0, 0, 0, 1, 1], [0, 1, 1, 2, 0],
  ]

  @Test(arguments: worlds) func messagesFollowTheirFormulas(nodes: [Int]) throws {
    _ = try LoopbackWorld.run(nodes: nodes) {
      try MessagePassingConformance($0, counts: Self.counts + [70_000]).checkMessages()
    }
  }

  @Test(arguments: worlds) func nodeMemoryFollowsItsFormulas(nodes: [Int]) throws {
    _ = try LoopbackWorld.run(nodes: nodes) { collectives in
      let conformance = MessagePassingConformance(collectives, counts: [])
      try conformance.checkNodes()
      try conformance.checkNodeMemory()
    }
  }

  @Test func nodesHoldRanksPerNode() throws {
    #expect(try LoopbackWorld.run(size: 4, ranksPerNode: 2) { $0.nodes }[0] == [0, 0, 1, 1])
    #expect(try LoopbackWorld.run(size: 5, ranksPerNode: 3) { $0.nodes }[0] == [0, 0, 0, 1, 1])
    #expect(try LoopbackWorld.run(size: 3) { $0.nodes }[0] == [0, 0, 0])
    #expect(try LoopbackWorld.run(size: 4, ranksPerNode: 3) { $0.hostName }.last == "loopback1")
  }

  @Test func messagesOfDifferentSizeAreAnError() throws {
    let messages = try LoopbackWorld.run(size: 2) { collectives in
      try message {
        var bytes = [UInt8](repeating: 0, count: 4 + collectives.rank)
        try bytes.withUnsafeMutableBytes { bytes in
          let transfer =
            collectives.rank == 0
            ? try collectives.send(UnsafeRawBufferPointer(bytes), to: 1, tag: 3)
            : try collectives.receive(into: bytes, from: 0, tag: 3)
          try collectives.wait(for: [transfer])
        }
      }
    }
    let expected =
      "ranks are out of step: rank 0 calls send(4 bytes, to: 1, tag: 3), rank 1 calls receive(5 bytes, from: 0, tag: 3)"
    #expect(messages == [expected, expected])
  }

  @Test func aMessageThatNobodyTakesIsAnError() throws {
    let messages = try LoopbackWorld.run(size: 2) { collectives in
      guard collectives.rank == 0 else { return "" }
      return try message {
        let transfer = try collectives.send(UnsafeRawBufferPointer(start: nil, count: 0), to: 1, tag: 3)
        while !(try collectives.isDone(transfer)) {}
      }
    }
    #expect(messages == ["ranks are out of step: rank 0 calls send(0 bytes, to: 1, tag: 3), rank 1 has ended", ""])
  }

  @Test func aRankThatEndsWithItsMessageUnderWayIsAnError() throws {
    let messages = try LoopbackWorld.run(size: 2) { collectives in
      if collectives.rank == 0 { _ = try collectives.send(UnsafeRawBufferPointer(start: nil, count: 0), to: 1, tag: 3) }
      return collectives.rank == 0 ? "" : try message { try collectives.barrier() }
    }
    #expect(messages[1].hasSuffix("rank 0 has ended"))
  }

  @Test func ranksThatAllWaitAreAnError() throws {
    let messages = try LoopbackWorld.run(size: 3) { collectives in
      try message {
        if collectives.rank == 2 { return try collectives.barrier() }
        let nothing = UnsafeMutableRawBufferPointer(start: nil, count: 0)
        try collectives.wait(for: [try collectives.receive(into: nothing, from: 1 - collectives.rank, tag: 0)])
      }
    }
    let expected =
      "ranks wait for each other: rank 0 calls receive(0 bytes, from: 1, tag: 0), "
      + "rank 1 calls receive(0 bytes, from: 0, tag: 0), rank 2 calls barrier()"
    #expect(messages == [expected, expected, expected])
  }

  @Test func aWaitEndsAtItsDeadline() throws {
    let messages = try LoopbackWorld.run(size: 3) { collectives in
      collectives.deadline = .milliseconds(200)
      collectives.activity = { "step 1" }
      return try message {
        if collectives.rank != 1 { return try collectives.barrier() }
        Thread.sleep(forTimeInterval: 1)
        try collectives.barrier()
      }
    }
    let expected =
      "no answer for 0.2 s in barrier() (step 1): rank 1 is missing; rank 0 calls barrier(), rank 2 calls barrier()"
    #expect(messages == [expected, expected, expected])
  }

  @Test func aCounterThatNobodyWillSetIsAnError() throws {
    let messages = try LoopbackWorld.run(size: 3) { collectives in
      let memory = try collectives.nodeMemory(byteCount: 0, counters: 2)
      if collectives.rank == 1 { return "" }
      return try message {
        if collectives.rank == 2 { return try collectives.barrier() }
        try collectives.wait(in: "counter 1") { memory.counter(1) == 5 }
      }
    }
    #expect(messages[2] == "ranks are out of step: rank 2 calls barrier(), rank 1 has ended")
    let alone = try LoopbackWorld.run(size: 2) { collectives in
      try collectives.rank == 1
        ? "" : message { try collectives.wait(in: "counter 1") { false } }
    }
    #expect(alone == ["ranks wait for each other: rank 0 calls counter 1", ""])
  }

  @Test func ranksOfANodeMustWantTheSameMemory() throws {
    let messages = try LoopbackWorld.run(size: 3, ranksPerNode: 2) { collectives in
      try message { _ = try collectives.nodeMemory(byteCount: collectives.rank, counters: 1) }
    }
    let expected =
      "ranks are out of step: on node 0 some call nodeMemory(byteCount: 0, counters: 1), "
      + "rank 1 calls nodeMemory(byteCount: 1, counters: 1)"
    #expect(messages == [expected, expected, expected])
    let sizes = try LoopbackWorld.run(size: 3, ranksPerNode: 2) { collectives in
      try collectives.nodeMemory(byteCount: 10 + collectives.node, counters: 0).bytes.count
    }
    #expect(sizes == [10, 10, 11])
  }

  /// 8000 frames of a kilobyte would overflow the half megabyte that threads get by default on some systems.
  @Test func ranksHaveRoomForDeepRecursion() throws {
    let depths = try LoopbackWorld.run(size: 2) { _ in depth(8000) }
    #expect(depths == [8000, 8000])
  }
}

/// Recurses with about a kilobyte of stack for each level.
private func depth(_ levels: Int) -> Int {
  guard levels > 0 else { return 0 }
  return withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 1000) { buffer in
    buffer.initialize(repeating: 1)
    return Int(buffer[levels % 1000]) + depth(levels - 1)
  }
}

/// The text of the failure that `body` throws, or an error of its own if it throws none.
private func message(_ body: () throws -> Void) throws -> String {
  do { try body() } catch let failure as Failure { return failure.description }
  throw Failure(.internalError, "nothing was thrown")
}
