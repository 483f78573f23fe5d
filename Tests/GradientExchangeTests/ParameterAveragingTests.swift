import Collectives
import Kernels
import Tensors
import TestSupport
import Testing

@testable import GradientExchange

/// Local steps among threads, compared with PyTorch's own optimisers (Tests/Reference/localsteps_goldens.py).
@Suite struct ParameterAveragingTests {
  /// Nodes of the ranks of a world; three nodes each, as in the golden.
  static let worlds: [[Int]] = [[0, 1, 2], [0, 0, 1, 2], [0, 1, 2, 0, 1], [0, 0, 0, 1, 1, 2, 2]]

  @Test(arguments: worlds) func parametersAndMomentumAreThoseOfPyTorch(nodes: [Int]) throws {
    let golden = try Golden()
    for (number, run) in golden.cases.enumerated() {
      let results = try LoopbackWorld.run(nodes: nodes) { try Node(golden, run, $0).train() }
      for result in results {
        #expect(result.parameters == results[0].parameters, "all ranks have the same parameters, to the bit")
        // fp32 against float64: some 20 steps of values below 2, each rounded by 2^-24 of it.
        #expect(largestDistance(result.parameters, run.parameters) < 2e-6, "\(nodes), case \(number)")
        for (range, momentum) in result.momentum {
          #expect(largestDistance(momentum, Array(run.momentumBuffer[range])) < 2e-6, "\(nodes), case \(number)")
        }
      }
      #expect(results.reduce(0) { $0 + $1.momentum.reduce(0) { $0 + $1.range.count } } == Golden.count)
    }
  }

  /// Each rank of a host is a node where nodes are not grouped, and keeps parameters of its own.
  @Test func ranksOfAHostAreNodesWhereTheyAreNotGrouped() throws {
    let golden = try Golden()
    for run in golden.cases {
      let options = ShardedExchange.Options(groupsNodes: false)
      let results = try LoopbackWorld.run(nodes: [0, 0, 0]) { try Node(golden, run, $0, options).train() }
      for result in results { #expect(largestDistance(result.parameters, run.parameters) < 2e-6) }
    }
  }

  @Test(arguments: worlds) func roundedChangesStayNearAndAgree(nodes: [Int]) throws {
    let golden = try Golden()
    for run in golden.cases {
      let results = try LoopbackWorld.run(nodes: nodes) {
        try Node(golden, run, $0, ShardedExchange.Options(precision: .bfloat16)).train()
      }
      for result in results {
        #expect(result.parameters == results[0].parameters, "all ranks have the same parameters, to the bit")
        // Outstanding is the rounding of one round, 2^-8 of a change below 1, on the way there and back.
        #expect(largestDistance(result.parameters, run.parameters) < 0.02, "\(nodes)")
      }
    }
  }

  /// With one local step, no momentum and rate 1, an average of parameters is an average of gradients.
  @Test func oneLocalStepIsAnOrdinaryStep() throws {
    let golden = try Golden()
    let run = golden.cases[0]
    #expect(run.localSteps == 1 && run.outerRate == 1 && run.outerMomentum == 0 && run.momentum == 0)
    var parameters = golden.start
    for _ in 0..<run.rounds {
      for element in parameters.indices {
        let gradients = (0..<3).map {
          golden.curvature[$0][element] * (parameters[element] - golden.target[$0][element])
        }
        parameters[element] -= run.rate * zip(run.shares, gradients).reduce(0) { $0 + $1.0 * $1.1 }
      }
    }
    let results = try LoopbackWorld.run(nodes: [0, 1, 2]) { try Node(golden, run, $0).train() }
    #expect(largestDistance(results[0].parameters, parameters) < 2e-6)
  }

  @Test func onlyAveragesCrossTheNetwork() throws {
    let golden = try Golden()
    for run in golden.cases {
      for (nodes, precision) in [
        ([0, 1, 2], WirePrecision.float32), ([0, 0, 1, 2], .float32), ([0, 1, 2], .bfloat16),
      ] {
        let results = try LoopbackWorld.run(nodes: nodes) {
          try Node(golden, run, $0, ShardedExchange.Options(precision: precision)).train()
        }
        // Two of three nodes send each element to its owner, who sends it to two, once a round.
        let bytes = 2 * run.rounds * Golden.count * precision.byteCount
        #expect(results.reduce(0) { $0 + $1.traffic.gradientBytes } == bytes)
        #expect(results.reduce(0) { $0 + $1.traffic.parameterBytes } == bytes)
        #expect(results.allSatisfy { $0.innerTraffic == ExchangeTraffic() })
      }
    }
  }
}

private func largestDistance(_ left: [Float], _ right: [Double]) -> Double {
  zip(left, right).map { abs(Double($0) - $1) }.max()!
}

/// The problem that nodes train on, and what becomes of it.
private struct Golden: Decodable, Sendable {
  struct Case: Decodable, Sendable {
    let localSteps, rounds: Int
    let outerRate, outerMomentum, momentum, weightDecay, rate: Double
    let shares, parameters, momentumBuffer: [Double]
  }
  static let count = 120
  let start: [Double]
  let curvature, target: [[Double]]
  let cases: [Case]

  init() throws { self = try Goldens.json("localsteps/averaging.json", as: Golden.self) }
}

/// One rank of a node that minimises its quadratic: its ranks add equal parts of the gradient.
private struct Node {
  struct Outcome: Sendable {
    var parameters: [Float]
    var momentum: [(range: Range<Int>, values: [Float])]
    var traffic, innerTraffic: ExchangeTraffic
  }

  private static let segments = [
    BucketPlan.Segment(40..<70, group: 0), BucketPlan.Segment(0..<40, group: 0),
    BucketPlan.Segment(70..<120, group: 1),
  ]

  private let golden: Golden
  private let run: Golden.Case
  private let messages: any MessagePassing
  private let node: Int
  private let members: any MessagePassing
  private let parameters: Tensor
  private let inner: ShardedExchange
  private let averaging: ParameterAveraging

  init(
    _ golden: Golden, _ run: Golden.Case, _ messages: any MessagePassing,
    _ options: ShardedExchange.Options = ShardedExchange.Options()
  ) throws {
    self.golden = golden
    self.run = run
    self.messages = messages
    node = options.groupsNodes ? messages.node : messages.rank
    members = options.groupsNodes ? NodeGroup(messages) : LoopbackWorld.alone()
    let memory = try members.nodeMemory(byteCount: Golden.count * 4, counters: 0)
    let storage = FloatStorage(
      memory.bytes.baseAddress!.assumingMemoryBound(to: Float.self), count: Golden.count, keptBy: memory)
    let parameters = Tensor(storage, shape: [Golden.count])
    if members.rank == 0 { for (index, value) in golden.start.enumerated() { parameters[index] = Float(value) } }
    try messages.barrier()
    self.parameters = parameters
    let velocity = Tensor(zeros: [Golden.count])
    inner = try ShardedExchange(Self.plan(members), members, parameters: parameters.slice) { part, gradient in
      StochasticGradient.update(
        parameters: parameters.slice(part.range), momentumBuffer: velocity.slice(part.range), gradient: gradient,
        rate: Float(run.rate), momentum: Float(run.momentum), weightDecay: Float(run.weightDecay))
    }
    averaging = try ParameterAveraging(
      Self.plan(messages), messages, options, over: inner, share: run.shares[node],
      ParameterAveraging.Settings(rate: run.outerRate, momentum: run.outerMomentum), parameters: parameters.slice)
  }

  private static func plan(_ messages: any MessagePassing) -> BucketPlan {
    BucketPlan(segments: segments, worldSize: messages.worldSize, bucketCount: 32, firstBucketCount: 16)
  }

  func train() throws -> Outcome {
    for _ in 0..<run.rounds {
      for _ in 0..<run.localSteps { try takeStep() }
      try inner.finish()
      try averaging.average()
    }
    try messages.barrier()
    let momentum = averaging.exchange.ownedRanges.map {
      (range: $0, values: averaging.exchange.owned($0, of: averaging.momentum).array)
    }
    return Outcome(
      parameters: parameters.array, momentum: momentum, traffic: averaging.exchange.traffic,
      innerTraffic: inner.traffic)
  }

  private func takeStep() throws {
    averaging.willTrain()
    try inner.begin()
    for (index, segment) in Self.segments.enumerated() {
      for element in segment.range {
        let gradient = golden.curvature[node][element] * (Double(parameters[element]) - golden.target[node][element])
        inner.gradients[element] = Float(gradient / Double(members.worldSize))
      }
      try inner.gradientsReady(index)
      inner.poll()
    }
    for segment in Self.segments.indices { try inner.waitForParameters(of: segment) }
  }
}
