import Diagnostics
import Foundation
import TestSupport
import Testing

@testable import Reporting

/// Traces as a viewer reads them.
@Suite struct TraceLogTests {
  private struct Event: Decodable {
    var ph: String
    var pid: Int
    var tid: Int?
    var name: String
    var ts: Double?
    var dur: Double?
    var cat: String?
    var args: [String: Value]
    enum Value: Decodable, Equatable {
      case number(Double), text(String)
      init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        self = try (try? container.decode(Double.self)).map { .number($0) } ?? .text(container.decode(String.self))
      }
    }
  }

  private struct Document: Decodable {
    var traceEvents: [Event]
  }

  /// The events of a rank's file, whose list is left open as a killed run leaves it.
  private static func events(_ file: URL) throws -> [Event] {
    let text = try String(contentsOf: file, encoding: .utf8)
    #expect(text.hasPrefix("[\n") && text.hasSuffix(",\n"))
    return try JSONDecoder().decode([Event].self, from: Data((text.dropLast(2) + "]").utf8))
  }

  @Test func spansNestAndCarryWhatIsKnownAtTheirEnd() throws {
    let folder = try ScratchFolder()
    let file = folder.file("trace")
    let log = TraceLog(rank: 3)
    log.span("before the file is open", .run) {}
    try log.open(file, title: "rank 3 \"of\" 4")
    let outer = log.begin("outer", .compute)
    let value = log.span("inner\n", .exchange, ["bytes": 12]) { 7 }
    log.end(outer, ["loss": 0.5])
    #expect(value == 7)
    #expect(try log.close() == 0)
    let events = try Self.events(file)
    #expect(events.allSatisfy { $0.pid == 3 })
    #expect(events.first { $0.name == "process_name" }?.args == ["name": .text("rank 3 \"of\" 4")])
    let spans = events.filter { $0.ph == "X" }
    #expect(spans.map(\.name) == ["before the file is open", "inner\n", "outer"])
    #expect(spans[1].args == ["bytes": .number(12)] && spans[2].args == ["loss": .number(0.5)])
    #expect(spans.map(\.cat) == ["run", "exchange", "compute"])
    let (inner, whole) = (spans[1], spans[2])
    #expect(inner.ts! >= whole.ts! && inner.ts! + inner.dur! <= whole.ts! + whole.dur! + 0.002)
  }

  @Test func exchangesThatOverlapLieOnLinesOfTheirOwn() throws {
    let folder = try ScratchFolder()
    let file = folder.file("trace")
    let log = TraceLog(rank: 0)
    try log.open(file, title: "rank 0")
    func exchange(_ start: Int64, _ end: Int64) {
      log.complete(
        "bucket", .exchange, on: .exchange, start: TraceTime(nanoseconds: start), end: TraceTime(nanoseconds: end))
    }
    exchange(0, 100)
    exchange(50, 120)
    exchange(100, 200)
    exchange(110, 130)
    exchange(121, 125)
    _ = try log.close()
    let spans = try Self.events(file).filter { $0.ph == "X" }
    let first = TraceTrack.exchange.threadID(lane: 0)
    #expect(spans.map { $0.tid! - first } == [0, 1, 0, 2, 1])
    #expect(spans[0].ts == 0 && spans[0].dur == 0.1)
  }

  @Test func anyNumberOfThreadsWritesWholeLines() async throws {
    let folder = try ScratchFolder()
    let file = folder.file("trace")
    let log = TraceLog(rank: 0)
    try log.open(file, title: "rank 0")
    await withTaskGroup(of: Void.self) { group in
      for number in 0..<8 {
        group.addTask { for index in 0..<500 { log.span("\(number) \(index)", .run, ["n": .integer(index)]) {} } }
      }
    }
    #expect(try log.close() == 0)
    #expect(Set(try Self.events(file).filter { $0.ph == "X" }.map(\.name)).count == 4000)
  }

  @Test func memoryAndFileAreBounded() throws {
    let folder = try ScratchFolder()
    let waiting = TraceLog(rank: 0)
    let text = String(repeating: "x", count: 1000)
    for _ in 0..<2000 { waiting.span(text, .run) {} }
    let file = folder.file("waiting")
    try waiting.open(file, title: "rank 0")
    let dropped = try waiting.close()
    #expect(dropped > 900 && dropped < 1200)
    let small = TraceLog(rank: 0, largest: 100_000)
    let bounded = folder.file("bounded")
    try small.open(bounded, title: "rank 0")
    for _ in 0..<2000 { small.span(text, .run) {} }
    #expect(try small.close() > 1800)
    #expect(try Self.events(bounded).filter { $0.ph == "X" }.count > 80)
    #expect(try Data(contentsOf: bounded).count < 110_000)
  }

  @Test func aFileThatIsThereIsLeftAlone() throws {
    let folder = try ScratchFolder()
    let file = folder.file("trace")
    try Data("mine".utf8).write(to: file)
    #expect(throws: Failure.self) { try TraceLog(rank: 0).open(file, title: "rank 0") }
    #expect(try String(contentsOf: file, encoding: .utf8) == "mine")
  }

  @Test func nothingIsMadeWhereNothingIsTraced() {
    let trace: TraceLog? = nil
    var made = 0
    func name() -> String {
      made += 1
      return "name"
    }
    let value = trace.span(name(), .run, ["a": .text(name())]) { 5 }
    #expect(value == 5 && made == 0)
  }

  @Test func filesThatArriveInPiecesBecomeOneDocument() throws {
    let lines = ["[", #"{"ts": 5000.250, "dur": 1.000, "ph": "X", "pid": 0, "name": "a", "args": {}},"#]
    let other =
      ["[", #"{"ph": "M", "pid": 1, "name": "process_name", "args": {"name": "é"}},"#]
      + [#"{"ts": 1.000, "dur": 2.000, "ph": "X", "pid": 1, "name": "b", "args": {}},"#, #"{"ts": 9.000, "du"#]
    var merge = TraceMerge()
    var text = merge.header
    for byte in (lines.joined(separator: "\n") + "\n").utf8 { text += merge.events([byte]) { _ in 5_000_000 } }
    merge.endFile()
    for byte in other.joined(separator: "\n").utf8 { text += merge.events([byte]) { $0 - 250 } }
    text += merge.footer(["ranks": 2])
    let events = try JSONDecoder().decode(Document.self, from: Data(text.utf8)).traceEvents
    #expect(events.map(\.name) == ["a", "process_name", "b"])
    #expect(events.map(\.ts) == [0.25, nil, 0.25])
    #expect(events[1].args == ["name": .text("é")])
  }
}
