import Collectives
import Foundation
import Kernels
import MatrixBackends
import Planning
import Testing

@testable import MachineBenchmark

/// That a benchmark measures what it says, and is the same on all ranks; how fast anything is, no test knows.
@Suite struct MachineBenchmarkTests {
  @Test func linksAreMeasuredBetweenAndWithinHosts() throws {
    let found = try LoopbackWorld.run(nodes: [0, 1, 0, 1]) {
      try LinkBenchmark(collectives: $0, budget: 0.001).measurePairs()
    }
    #expect(found[0].map(\.hosts) == [["loopback0", "loopback0"], ["loopback0", "loopback1"]])
    #expect(found.allSatisfy { $0 == found[0] })
    #expect(found[0].allSatisfy { $0.link.latency > 0 && $0.link.bandwidth > 0 })
  }

  @Test func pairsOfManyHostsAreTheNearestOnes() {
    #expect(LinkBenchmark.pairs(["a"]).isEmpty)
    #expect(LinkBenchmark.pairs(["a", "b", "c"]).map { [$0.0, $0.1] } == [[0, 1], [1, 2], [0, 2]])
    #expect(LinkBenchmark.pairs(["a", "b", "b"]).map { [$0.0, $0.1] } == [[1, 2], [0, 1]])
    let many = LinkBenchmark.pairs((0..<1000).map { "host\($0)" })
    #expect(many.count == LinkBenchmark.mostPairs)
    #expect(many.allSatisfy { $0.1 == $0.0 + 1 })
  }

  @Test func sizesThatWouldTakeTooLongAreLeftOut() throws {
    let times = try LoopbackWorld.run(size: 2) {
      try LinkBenchmark(collectives: $0, budget: 0).measureAllReduces(patience: 0)
    }
    #expect(times[0].map { $0.seconds == nil } == [false, true, true, true, true])
    let alone = LoopbackWorld.alone()
    #expect(try LinkBenchmark(collectives: alone, budget: 0).measureAllReduces(patience: 1).isEmpty)
  }

  @Test func aMachineIsMeasuredAndReadBack() throws {
    var shape = try CLIPPresets.configuration(named: "ViT-B/32")
    (shape.vision.width, shape.vision.headCount, shape.vision.mlpWidth) = (64, 1, 128)
    let alone = LoopbackWorld.alone()
    var benchmark = MachineBenchmark(shape, alone, threads: 2) { OpenBLASProduct(threads: $0) }
    benchmark.budget = 0
    let report = try benchmark.run()
    #expect(report.compute.map(\.threads) == [1, 2])
    #expect(report.compute.allSatisfy { $0.products.allSatisfy { $0.operations > 0 } && $0.elements > 0 })
    let file = FileManager.default.temporaryDirectory.appendingPathComponent("\(UUID().uuidString).json")
    defer { try? FileManager.default.removeItem(at: file) }
    try Data(report.json(version: "test").utf8).write(to: file)
    #expect(try MachineReport(contentsOf: file) == report)
  }
}
