import Collectives
import Kernels
import Tensors
import TestSupport
import Testing

@testable import GradientExchange

/// Exchanges among threads, compared with the same training by one rank in plain loops.
@Suite struct ShardedExchangeTests {
  /// Nodes of the ranks of a world.
  static let worlds: [[Int]] = [
    [0], [0, 0], [0, 1], [0, 0, 0], [0, 0, 1], [0, 0, 1, 1], [0, 1, 0, 1], [0, 1, 2, 3], [0, 0, 0, 1, 1],
    [0, 0, 0, 0, 0, 0, 0, 0],
  ]

  @Test(arguments: worlds) func sumsAreTheSameForAnyWorld(nodes: [Int]) throws {
    for options in Self.exactOptions {
      let task = Task(steps: 4)
      let results = try LoopbackWorld.run(nodes: nodes) { try task.train($0, options) }
      let truth = task.trainAlone(worldSize: nodes.count)
      for result in results {
        // Sums of up to eight terms in another order than the truth's.
        #expect(largestDistance(result.parameters, truth) < 2e-6, "\(nodes) \(options)")
        #expect(result.parameters == results[0].parameters, "all ranks have the same parameters, to the bit")
      }
    }
  }

  /// As fp32 but for the window, what a node is, and who lets owners update.
  private static var exactOptions: [ShardedExchange.Options] {
    [
      ShardedExchange.Options(), ShardedExchange.Options(window: 1), ShardedExchange.Options(groupsNodes: false),
      ShardedExchange.Options(appliesEagerly: false, window: 2),
    ]
  }

  @Test(arguments: worlds) func roundedExchangesStayNearAndAgree(nodes: [Int]) throws {
    let task = Task(steps: 30)
    for options in [
      ShardedExchange.Options(precision: .bfloat16),
      ShardedExchange.Options(precision: .bfloat16, appliesEagerly: false, groupsNodes: false, window: 1),
    ] {
      let results = try LoopbackWorld.run(nodes: nodes) { try task.train($0, options) }
      let truth = task.trainAlone(worldSize: nodes.count)
      for result in results {
        #expect(result.parameters == results[0].parameters, "all ranks have the same parameters, to the bit")
        // What is outstanding after any number of steps is one step's rounding: 2^-8 of the largest sum (below 8) that
        // goes into the update with the rate and ten times the momentum, and 2^-9 of the largest update.
        #expect(largestDistance(result.parameters, truth) < 0.05 * 10 * 8 / 256, "\(nodes)")
      }
    }
  }

  @Test func feedbackOfErrorsIsWhatKeepsThemSmall() throws {
    // Every gradient is just below half a unit of the last place of a bfloat16 above 1: alone it would always be lost.
    let task = Task(steps: 100, constant: 1 + 1 / 300)
    let results = try LoopbackWorld.run(nodes: [0, 1]) {
      try task.train($0, ShardedExchange.Options(precision: .bfloat16), momentum: 0)
    }
    let truth = task.trainAlone(worldSize: 2, momentum: 0)
    // 100 steps of rate 0.05 and sum 2: without feedback they would be 0.033 short.
    #expect(largestDistance(results[0].parameters, truth) < 2e-3)
  }

  @Test(arguments: worlds) func aStepThatIsLeftOutChangesNothing(nodes: [Int]) throws {
    let task = Task(steps: 5, leftOut: [1, 3])
    for precision in WirePrecision.allCases {
      let options = ShardedExchange.Options(precision: precision, appliesEagerly: false)
      let results = try LoopbackWorld.run(nodes: nodes) { try task.train($0, options) }
      let truth = task.trainAlone(worldSize: nodes.count)
      #expect(largestDistance(results[0].parameters, truth) < (precision == .float32 ? 2e-6 : 0.16))
    }
  }

  @Test func everySliceIsOwnedOnce() throws {
    let task = Task(steps: 1)
    let results = try LoopbackWorld.run(nodes: [0, 0, 1]) { try task.train($0, ShardedExchange.Options()) }
    let owned = results.flatMap(\.owned).filter { !$0.isEmpty }.sorted { $0.lowerBound < $1.lowerBound }
    #expect(owned.first?.lowerBound == 0 && owned.last?.upperBound == Task.count)
    #expect(zip(owned, owned.dropFirst()).allSatisfy { $0.upperBound == $1.lowerBound })
  }

  @Test func bytesAreThoseOfTheSlicesThatCrossNodes() throws {
    let task = Task(steps: 3)
    for (nodes, precision) in [([0, 1], WirePrecision.float32), ([0, 0, 1, 1], .float32), ([0, 0, 1, 1], .bfloat16)] {
      let results = try LoopbackWorld.run(nodes: nodes) {
        try task.train($0, ShardedExchange.Options(precision: precision))
      }
      let sent = results.reduce(0) { $0 + $1.traffic.gradientBytes }
      // Each of two nodes sends the sums of what the other owns; and the same of parameters, back.
      #expect(sent == 3 * Task.count * precision.byteCount)
      #expect(results.reduce(0) { $0 + $1.traffic.parameterBytes } == sent)
    }
    let alone = try LoopbackWorld.run(nodes: [0, 0]) { try task.train($0, ShardedExchange.Options()) }
    #expect(alone.allSatisfy { $0.traffic == ExchangeTraffic() }, "ranks of one node send nothing")
  }

  @Test func aRankThatDoesNotComeEndsTheWait() throws {
    #expect(throws: (any Error).self) {
      try LoopbackWorld.run(nodes: [0, 0]) { messages in
        let task = Task(steps: 1)
        messages.deadline = .milliseconds(200)
        let exchange = try task.makeExchange(messages, ShardedExchange.Options(), Tensor(zeros: [Task.count])) { _, _ in
        }
        try exchange.begin()
        if messages.rank == 1 { return try messages.barrier() }
        for segment in exchange.plan.segments.indices { try exchange.gradientsReady(segment) }
        do { try exchange.finish() } catch {
          #expect("\(error)".contains("rank 1 calls barrier()"))
          throw error
        }
      }
    }
  }

  @Test func rowsAreSummedForTheRankThatNeedsThem() throws {
    for worldSize in 1...5 {
      let sums = try LoopbackWorld.run(size: worldSize) { messages in
        let matrix = Tensor((0..<28).map { Float($0 * (messages.rank + 1)) }, shape: [7, 4])
        let shares = (0..<worldSize).map { $0 == 1 ? 2..<2 : evenRows($0, worldSize) }
        let exchange = RowExchange(messages)
        for _ in 0..<2 {
          let copy = matrix.copied()
          try exchange.start(copy, shares: shares)
          try exchange.finish(copy)
          let share = shares[messages.rank]
          for row in share {
            for column in 0..<4 {
              let ranks = worldSize * (worldSize + 1) / 2
              #expect(copy.row(row)[column] == Float((row * 4 + column) * ranks))
            }
          }
        }
        return 0
      }
      #expect(sums.count == worldSize)
    }

    /// Rows of a rank where rank 1 has none.
    @Sendable func evenRows(_ rank: Int, _ worldSize: Int) -> Range<Int> {
      worldSize == 1
        ? 0..<7 : rank == 0 ? 0..<2 : evenShard(of: 5, rank: rank - 2, worldSize: max(1, worldSize - 2)).shifted(2)
    }
  }
}

extension Range<Int> {
  fileprivate func shifted(_ distance: Int) -> Range<Int> { lowerBound + distance..<upperBound + distance }
}

private func largestDistance(_ left: [Float], _ right: [Float]) -> Float {
  zip(left, right).map { abs($0 - $1) }.max()!
}

/// Made-up training: gradients are a function of step, rank, element and the parameters.
private struct Task: Sendable {
  static let count = 1701
  static let segments = [
    BucketPlan.Segment(900..<1000, group: 0), BucketPlan.Segment(333..<900, group: 0),
    BucketPlan.Segment(0..<333, group: 0), BucketPlan.Segment(1700..<1701, group: 1),
    BucketPlan.Segment(1000..<1700, group: 1),
  ]
  var steps: Int
  var constant: Float?
  var leftOut: Set<Int> = []

  struct Outcome: Sendable {
    var parameters: [Float]
    var owned: [Range<Int>]
    var traffic: ExchangeTraffic
  }

  func gradient(_ step: Int, _ rank: Int, _ element: Int, _ parameter: Float) -> Float {
    if let constant { return constant }
    var random = CounterRandom(seed: UInt64(step * 64 + rank), stream: 7, UInt32(element))
    return Float(random.uniform()) - 0.5 + 0.01 * parameter
  }

  /// The trained parameters of one rank that sees all gradients.
  func trainAlone(worldSize: Int, momentum: Float = 0.9) -> [Float] {
    var parameters = [Float](repeating: 1, count: Self.count)
    var velocity = [Float](repeating: 0, count: Self.count)
    for step in 0..<steps where !leftOut.contains(step) {
      for element in parameters.indices {
        let sum = (0..<worldSize).reduce(Float(0)) { $0 + gradient(step, $1, element, parameters[element]) }
        velocity[element] = momentum * velocity[element] + sum
        parameters[element] -= 0.05 * velocity[element]
      }
    }
    return parameters
  }

  func makeExchange(
    _ messages: any MessagePassing, _ options: ShardedExchange.Options, _ parameters: Tensor,
    update: @escaping (ShardedExchange.OwnedPart, Tensor) -> Void
  ) throws -> ShardedExchange {
    let plan = BucketPlan(
      segments: Self.segments, worldSize: messages.worldSize, bucketCount: 160, firstBucketCount: 32)
    return try ShardedExchange(plan, messages, options, parameters: { parameters.slice($0) }, update: update)
  }

  func train(
    _ messages: any MessagePassing, _ options: ShardedExchange.Options, momentum: Float = 0.9
  ) throws -> Outcome {
    let parameters = try makeParameters(messages, options)
    var velocity = [Float](repeating: 0, count: Self.count)
    let exchange = try makeExchange(messages, options, parameters) { part, gradient in
      for (index, element) in part.range.enumerated() {
        velocity[element] = momentum * velocity[element] + gradient[index]
        parameters[element] -= 0.05 * velocity[element]
      }
    }
    for step in 0..<steps { try take(step, exchange, parameters, messages) }
    try exchange.finish()
    try messages.barrier()
    return Outcome(
      parameters: parameters.array, owned: exchange.parts.map(\.range), traffic: exchange.traffic)
  }

  private func take(
    _ step: Int, _ exchange: ShardedExchange, _ parameters: Tensor, _ messages: any MessagePassing
  ) throws {
    for segment in Self.segments.indices.reversed() { try exchange.waitForParameters(of: segment) }
    try exchange.begin()
    for (index, segment) in Self.segments.enumerated() {
      for element in segment.range {
        exchange.gradients[element] = gradient(step, messages.rank, element, parameters[element])
      }
      try exchange.gradientsReady(index)
      exchange.poll()
    }
    if !exchange.appliesEagerly {
      try exchange.waitForSums()
      try messages.barrier()
      try exchange.release(applies: !leftOut.contains(step))
    }
  }

  private func makeParameters(
    _ messages: any MessagePassing, _ options: ShardedExchange.Options
  ) throws -> Tensor {
    guard options.groupsNodes else { return Tensor(repeating: 1, shape: [Self.count]) }
    let memory = try messages.nodeMemory(byteCount: Self.count * 4, counters: 0)
    let storage = FloatStorage(
      memory.bytes.baseAddress!.assumingMemoryBound(to: Float.self), count: Self.count, keptBy: memory)
    let parameters = Tensor(storage, shape: [Self.count])
    if messages.nodeRank == 0 { parameters.fill(1) }
    try messages.barrier()
    return parameters
  }
}
