import Collectives
import TestSupport
import Testing

@Suite struct TrafficMeterTests {
  @Test func bytesAreCountedByPhase() throws {
    let phases = try LoopbackWorld.run(size: 4) { base in
      let meter = TrafficMeter()
      let collectives = MeteredCollectives(base, meter: meter)
      var gradients = [Float](repeating: 1, count: 100)
      try meter.phase("gradients") {
        try collectives.allReduce(&gradients, .sum)
        try meter.phase("features") {
          try gradients.withUnsafeMutableBufferPointer {
            try collectives.allGather(into: $0, counts: [10, 20, 30, 40])
          }
        }
        _ = try collectives.allReduce(1.0, .max)
      }
      _ = try collectives.allGather(Array(repeating: 0, count: base.rank))
      try gradients.withUnsafeMutableBytes { try collectives.broadcast($0, root: 3) }
      try collectives.barrier()
      #expect(meter.total.calls == 6)
      #expect(meter.total.payloadBytes == 400 + 400 + 8 + 6 + 400)
      return meter.phases
    }
    for counted in phases {
      #expect(Set(counted.keys) == ["gradients", "features", TrafficMeter.defaultPhase])
      #expect(counted["gradients"] == traffic(calls: 2, payload: 408, wire: 612))  // 2 x 3/4 of it.
      #expect(counted["features"] == traffic(calls: 1, payload: 400, wire: 300))
      #expect(counted[TrafficMeter.defaultPhase] == traffic(calls: 3, payload: 406, wire: 304.5))
    }
  }

  @Test func aWorldOfOneSendsNothing() throws {
    let meter = TrafficMeter()
    let collectives = MeteredCollectives(LoopbackWorld.alone(), meter: meter)
    #expect(try collectives.allReduce(2.0, .sum) == 2)
    #expect(meter.total == traffic(calls: 1, payload: 8, wire: 0))
  }

  /// Of the messages from every rank to every rank, those to itself leave nothing, and half of the others the node.
  @Test func messagesAreCountedByTheirSender() throws {
    let counted = try LoopbackWorld.run(size: 4, ranksPerNode: 2) { base in
      let meter = TrafficMeter()
      let collectives = MeteredCollectives(base, meter: meter)
      var incoming = [UInt8](repeating: 0, count: 40)
      let outgoing = [UInt8](repeating: 0, count: 10)
      try meter.phase("gradients") {
        try incoming.withUnsafeMutableBytes { incoming in
          try outgoing.withUnsafeBytes { outgoing in
            let transfers = try (0..<4).flatMap { peer in
              let part = UnsafeMutableRawBufferPointer(rebasing: incoming[peer * 10..<peer * 10 + 10])
              return [
                try collectives.receive(into: part, from: peer, tag: 0),
                try collectives.send(outgoing, to: peer, tag: 0),
              ]
            }
            try collectives.wait(for: transfers)
          }
        }
      }
      return meter.phases
    }
    var expected = Traffic()
    (expected.messages, expected.sentBytes, expected.interNodeBytes) = (4, 30, 20)
    #expect(counted == Array(repeating: ["gradients": expected], count: 4))
  }

  @Test func aPhaseEndsWhenItsBodyThrows() throws {
    struct Stop: Error {}
    let meter = TrafficMeter()
    #expect(throws: Stop.self) { try meter.phase("first") { throw Stop() } }
    try MeteredCollectives(LoopbackWorld.alone(), meter: meter).barrier()
    #expect(Array(meter.phases.keys) == [TrafficMeter.defaultPhase])
  }

  @Test func placeAndPhaseAreTheActivity() throws {
    let meter = TrafficMeter()
    let base = LoopbackWorld.alone()
    _ = MeteredCollectives(base, meter: meter)
    #expect(base.activity() == "")
    meter.place = "step 12"
    #expect(base.activity() == "step 12")
    let inPhase = meter.phase("gradients") { base.activity() }
    #expect(inPhase == "step 12, gradients")
  }

  @Test(arguments: 1...3) func meteredCollectivesStillFollowTheFormulas(size: Int) throws {
    _ = try LoopbackWorld.run(size: size) { base in
      let collectives = MeteredCollectives(base, meter: TrafficMeter())
      let conformance = CollectivesConformance(collectives, counts: [0, 1, 33])
      try conformance.checkAllReduce()
      try conformance.checkBroadcast()
      try conformance.checkAllGather()
      let messages = MessagePassingConformance(collectives, counts: [0, 1, 33])
      try messages.checkMessages()
      try messages.checkNodes()
      try messages.checkNodeMemory()
    }
  }

  private func traffic(calls: Int, payload: Int, wire: Double) -> Traffic {
    var traffic = Traffic()
    traffic.calls = calls
    traffic.payloadBytes = payload
    traffic.wireBytes = wire
    return traffic
  }
}
