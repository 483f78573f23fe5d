import Diagnostics
import Foundation
import Testing

@testable import Planning

/// Files that plans are made from: what is wrong with them is said, and where.
@Suite struct MachineReportTests {
  private static let report = MachineReport(
    ranks: 4, ranksPerNode: 2,
    compute: [
      .init(
        threads: 1, products: [.init(rows: 8, operations: 5e10)], attention: 4e10, elements: 1e10, update: 2e10,
        memory: 3e10),
      .init(
        threads: 2, products: [.init(rows: 8, operations: 9e10)], attention: 8e10, elements: 1e10, update: 2e10,
        memory: 4e10),
    ],
    pairs: [
      .init(hosts: ["a", "a"], link: .init(latency: 1e-6, bandwidth: 5e9)),
      .init(hosts: ["a", "b"], link: .init(latency: 3e-5, bandwidth: 1e8)),
    ], allReduce: [.init(bytes: 4096, seconds: 1e-4), .init(bytes: 1 << 28, seconds: nil)])

  private static func read(_ text: String) throws -> MachineReport {
    let file = FileManager.default.temporaryDirectory.appendingPathComponent("\(UUID().uuidString).json")
    defer { try? FileManager.default.removeItem(at: file) }
    try Data(text.utf8).write(to: file)
    return try MachineReport(contentsOf: file)
  }

  @Test func whatIsWrittenIsRead() throws {
    #expect(try Self.read(Self.report.json(version: "test")) == Self.report)
  }

  @Test func profilesTakeTheThreadsThatAreAskedFor() {
    let assumed = MachineProfile(
      threads: 8, ranksPerNode: 1, products: [.init(rows: 1, operations: 1)], attention: 1, elements: 1, update: 1,
      memory: 1, node: .init(latency: 7, bandwidth: 7), network: .init(latency: 8, bandwidth: 8))
    let one = Self.report.profile(threads: 1, assumed: assumed)
    #expect(one.threads == 1 && one.attention == 4e10 && one.network.bandwidth == 1e8 && one.ranksPerNode == 2)
    #expect(Self.report.profile(threads: nil, assumed: assumed).threads == 2)
    var lone = Self.report
    lone.pairs = []
    #expect(lone.profile(threads: 1, assumed: assumed).node == assumed.node)
  }

  @Test(arguments: [
    ("\"format\": 1", "\"format\": 2", "format must be 1"),
    ("\"attention_operations_per_second\": 40000000000.0", "\"attention_operations_per_second\": 0", "must be above 0"),
    ("\"rows\": 8", "\"rows\": 0", "compute[0].products[0].rows must be a whole number from 1 on"),
    ("\"latency_seconds\": 3e-05", "\"latency\": 1", "pairs[1].latency_seconds is missing"),
    ("\"compute\": [", "\"other\": [", "compute must be a list"),
  ])
  func whatIsWrongIsNamed(part: String, replacement: String, problem: String) throws {
    let text = Self.report.json(version: "test")
    try #require(text.contains(part), "\(text)")
    let damaged = text.replacing(part, with: replacement)
    do {
      _ = try Self.read(damaged)
      Issue.record("\(replacement) was read")
    } catch let failure as Failure {
      #expect(failure.status == .badData)
      #expect(failure.problem.contains(problem), "\(failure)")
    }
  }
}
