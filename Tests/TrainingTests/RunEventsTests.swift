import Foundation
import Reporting
import TestSupport
import Testing

@testable import Training

/// Curves of steps and tests are compared with metrics.jsonl by Tests/Reference/check_events.py.
@Suite struct RunEventsTests {
  /// A test of a checkpoint comes late and is told again; it must neither count as a step nor stand twice.
  @Test func testsOfCheckpointsAreARunOfTheirOwn() throws {
    let folder = try ScratchFolder()
    let test: MetricRecord = [
      "test": "checkpoint", "data_set": "D", "classes": "all", "accuracy": 51.5, "macro_f1": nil, "step": 4, "epoch": 0,
    ]
    let mean: MetricRecord = ["test": "checkpoint", "data_set": "D", "harmonic_mean": 62.5, "step": 4, "epoch": 0]
    for start in [0, 7] {
      var events = try RunEvents(in: folder.url, from: start, globalBatch: 8, configuration: "seed: 1")
      try events.add(["step": .integer(start + 6), "loss": 1.5, "seconds": 0.5])
      try events.add(test)
      try events.add(mean)
      try events.synchronize()
    }
    let evaluations = try contents(of: folder.file("evaluations"))
    #expect(evaluations.count == 2)
    #expect(evaluations.map { occurrences(of: "accuracy/D/all", in: $0) } == [0, 1])
    #expect(evaluations.map { occurrences(of: "accuracy/D/H", in: $0) } == [0, 1])
    let steps = try contents(of: folder.url)
    #expect(steps.map { occurrences(of: "images_per_second", in: $0) } == [1, 1])
    #expect(steps.map { occurrences(of: "accuracy", in: $0) } == [0, 0])
  }

  private func contents(of folder: URL) throws -> [Data] {
    try FileManager.default.contentsOfDirectory(atPath: folder.path).filter { $0.hasPrefix("events.out.tfevents.") }
      .sorted().map { try Data(contentsOf: folder.appendingPathComponent($0)) }
  }

  private func occurrences(of text: String, in data: Data) -> Int {
    String(decoding: data, as: UTF8.self).components(separatedBy: text).count - 1
  }
}
