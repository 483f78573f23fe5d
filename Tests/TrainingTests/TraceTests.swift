import Collectives
import Diagnostics
import Foundation
import TestSupport
import Testing

@testable import Training

/// Traces of whole runs in this process, each rank a thread.
@Suite struct TraceTests {
  private struct Event {
    let rank: Int
    let name: String
    let start, end: Double
  }

  private static func events(_ file: URL) throws -> [Event] {
    let document = try JSONSerialization.jsonObject(with: Data(contentsOf: file)) as? [String: Any]
    let events = try #require(document?["traceEvents"] as? [[String: Any]])
    return events.filter { $0["ph"] as? String == "X" }.compactMap { event in
      guard let rank = event["pid"] as? Int, let name = event["name"] as? String, let start = event["ts"] as? Double,
        let duration = event["dur"] as? Double
      else { return nil }
      return Event(rank: rank, name: name, start: start, end: start + duration)
    }
  }

  private static func train(
    _ task: SmallTask, _ settings: [String], trace: URL, resume: Resume = .never, ranks: Int = 3
  ) throws {
    _ = try LoopbackWorld.run(size: ranks) {
      try LoopbackRunTests.run(task, "run", settings, from: StartingState(resume), traceFile: trace, $0)
    }
  }

  @Test func everyRankTellsWhatItDid() throws {
    let task = try SmallTask()
    let file = task.folder.appendingPathComponent("trace.json")
    try Self.train(task, ["limits.max_steps=5"], trace: file)
    let events = try Self.events(file)
    #expect(events.allSatisfy { $0.start >= 0 })
    for rank in 0..<3 {
      let own = events.filter { $0.rank == rank }
      for name in [
        "read inputs", "features of epoch 0", "step 4", "end of step", "snapshot", "write shard", "tuned test, all",
      ] {
        #expect(own.contains { $0.name == name }, "\(name) of rank \(rank)")
      }
      #expect(own.count { $0.name == "losses" } == 5)
    }
    // Nobody leaves an exchange before everybody has come: on one clock, whose ranks share it here.
    for step in 0..<5 {
      let exchanges = (0..<3).map { rank in events.filter { $0.rank == rank && $0.name == "losses" }[step] }
      #expect(exchanges.map(\.start).max()! <= exchanges.map(\.end).min()!)
    }
    let left = try FileManager.default.contentsOfDirectory(atPath: task.folder.path).filter { $0.contains("rank-") }
    #expect(left.isEmpty)
  }

  /// The file may lie in the run's folder, which is made later, and whose earlier traces stay.
  @Test func aRunThatGoesOnKeepsItsEarlierTrace() throws {
    let task = try SmallTask()
    let file = task.run("run").appendingPathComponent("trace.json")
    try Self.train(task, ["limits.max_steps=3"], trace: file, ranks: 1)
    // As a run that was killed before it was done.
    for name in ["COMPLETED", "model"] {
      try FileManager.default.removeItem(at: task.run("run").appendingPathComponent(name))
    }
    // The file of a rank, which is then left too.
    let part = URL(fileURLWithPath: file.path + ".rank-00001")
    try Data("[\n".utf8).write(to: part)
    try Self.train(task, ["limits.max_steps=6"], trace: file, resume: .auto, ranks: 2)
    let aside = task.run("run").appendingPathComponent("trace.previous-1.json")
    #expect(try Self.events(aside).contains { $0.name == "step 2" })
    #expect(try Self.events(file).filter { $0.name.hasPrefix("step") }.map(\.name).contains("step 5"))
    #expect(try !Self.events(file).contains { $0.name == "step 2" })
    #expect(FileManager.default.fileExists(atPath: aside.path + ".rank-00001"))
    #expect(!FileManager.default.fileExists(atPath: part.path))
  }

  @Test func aTraceThatCannotBeWrittenEndsAllRanksBeforeTheyTrain() throws {
    let task = try SmallTask()
    let file = task.folder.appendingPathComponent("nowhere/trace.json")
    do {
      try Self.train(task, ["limits.max_steps=3"], trace: file)
      Issue.record("it trained")
    } catch let failure as Failure {
      #expect(failure.status == .cannotCreate && failure.problem.contains("is not a folder"), "\(failure)")
    }
    #expect(!FileManager.default.fileExists(atPath: task.run("run").path))
  }
}
