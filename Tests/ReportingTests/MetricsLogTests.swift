import Diagnostics
import Foundation
import Reporting
import Testing

@Suite struct MetricsLogTests {
  @Test func aRecordIsOneLineInTheOrderGiven() {
    let record: MetricRecord = [
      "step": 3, "loss": .float(0.1), "lr": 0.002, "kind": "train\n\"x\"\\\u{1}\u{2028}é", "kept": [1, 2], "done": true,
      "none": nil,
      "inner": .object(["a": 1]),
    ]
    #expect(
      record.json
        == #"{"step": 3, "loss": 0.1, "lr": 0.002, "kind": "train\n\"x\"\\\u0001\u2028é", "kept": [1, 2], "done": true, "none": null, "inner": {"a": 1}}"#
    )
  }

  @Test func whatIsNotFiniteIsText() {
    let record: MetricRecord = [
      "a": .double(.nan), "b": .float(.infinity), "c": .double(-.infinity), "d": .float(-.nan),
    ]
    #expect(record.json == #"{"a": "nan", "b": "inf", "c": "-inf", "d": "nan"}"#)
  }

  @Test func numbersReadBackExactly() throws {
    let doubles = [
      0.1 + 0.2, 1e-300, .leastNonzeroMagnitude, Double.greatestFiniteMagnitude, -0.0, 1e16, 123_456_789.125, 1 / 3.0,
    ]
    let floats: [Float] = [0.1, 1 / 3, .leastNonzeroMagnitude, .greatestFiniteMagnitude, 16_777_216]
    let record: MetricRecord = ["d": .list(doubles.map { .double($0) }), "f": .list(floats.map { .float($0) })]
    // Foundation's parser may be off by one in the last place, so the digits are read one by one.
    let numbers = record.json.split { "[], ".contains($0) }.compactMap { Double($0) }
    #expect(numbers.prefix(doubles.count).map(\.bitPattern) == doubles.map(\.bitPattern))
    #expect(numbers.dropFirst(doubles.count).map { Float($0) } == floats)
    #expect(try JSONSerialization.jsonObject(with: Data(record.json.utf8)) is [String: [NSNumber]])
  }

  @Test func fieldsCanBeAddedReplacedAndRemoved() {
    var record: MetricRecord = ["a": 1, "b": 2]
    record["a"] = 3
    record["c"] = "x"
    record["b"] = nil as MetricValue?
    #expect(record.json == #"{"a": 3, "c": "x"}"#)
  }

  @Test func anExistingLogIsAppendedTo() throws {
    try withTemporaryFolder { folder in
      let file = folder.appendingPathComponent("metrics.jsonl")
      for step in 1...3 { try MetricsLog(appendingTo: file).append(["step": .integer(step)]) }
      #expect(try text(of: file) == "{\"step\": 1}\n{\"step\": 2}\n{\"step\": 3}\n")
    }
  }

  @Test func aLineIsThereWhenAppendReturns() throws {
    try withTemporaryFolder { folder in
      let file = folder.appendingPathComponent("metrics.jsonl")
      let log = try MetricsLog(appendingTo: file)
      try log.append(["a": 1])
      #expect(try text(of: file) == "{\"a\": 1}\n")
      try log.synchronize()
    }
  }

  @Test func aLineCutOffByACrashDoesNotSpoilTheNext() throws {
    try withTemporaryFolder { folder in
      let file = folder.appendingPathComponent("metrics.jsonl")
      try write("{\"a\": 1}\n{\"b\"", to: file)
      try MetricsLog(appendingTo: file).append(["c": 3])
      #expect(try text(of: file) == "{\"a\": 1}\n{\"b\"\n{\"c\": 3}\n")
    }
  }

  @Test func aLogThatCannotBeMadeSaysWhy() throws {
    try withTemporaryFolder { folder in
      let file = folder.appendingPathComponent("none/metrics.jsonl")
      #expect(
        failure { _ = try MetricsLog(appendingTo: file) }
          == Failure(
            .cannotCreate, at: file.path, "the file cannot be created: No such file or directory",
            remedy: "create the folder first"))
    }
  }

  @Test func linesOfManyThreadsStayWhole() async throws {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent("reporting-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    let file = folder.appendingPathComponent("metrics.jsonl")
    let log = try MetricsLog(appendingTo: file)
    try await withThrowingTaskGroup(of: Void.self) { group in
      for task in 0..<8 {
        group.addTask {
          for step in 0..<100 { try log.append(["task": .integer(task), "step": .integer(step)]) }
        }
      }
      try await group.waitForAll()
    }
    let lines = try text(of: file).split(separator: "\n").map(String.init)
    let expected = (0..<8).flatMap { task in (0..<100).map { "{\"task\": \(task), \"step\": \($0)}" } }
    #expect(lines.sorted() == expected.sorted())
  }
}
