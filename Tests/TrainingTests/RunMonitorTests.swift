import Collectives
import Diagnostics
import Foundation
import Reporting
import Synchronization
import TestSupport
import Testing

@testable import Training

/// Files of real runs are compared with their results by Tests/Reference/check_prometheus.py.
@Suite struct RunMonitorTests {
  private let folder: ScratchFolder
  private var file: URL { folder.file("run.prom") }

  init() throws { folder = try ScratchFolder() }

  @Test func theFileIsRewrittenOnceASecond() throws {
    let start = ContinuousClock.now
    let milliseconds = Mutex(0)
    var monitor = try RunMonitor(file, run: folder.url, dataset: "D") {
      start + .milliseconds(milliseconds.withLock { $0 })
    }
    #expect(try state() == "running" && value(of: "skiptune_steps_total") == nil)
    func tell(step: Int, at time: Int) throws {
      milliseconds.withLock { $0 = time }
      try monitor.tell(
        RunMonitor.Standing(position: TrainingPosition(epoch: 1, batch: 0, step: step), steps: 9, secondsLeft: 5))
    }
    try tell(step: 1, at: 999)
    #expect(try value(of: "skiptune_steps_total") == nil)
    try tell(step: 2, at: 1000)
    #expect(try value(of: "skiptune_steps_total") == "2")
    try tell(step: 3, at: 1999)
    #expect(try value(of: "skiptune_steps_total") == "2")
    // A reader's age of the file is no older than a second, whatever the run does.
    try FileManager.default.removeItem(at: file)
    milliseconds.withLock { $0 = 2000 }
    try monitor.refresh()
    #expect(try value(of: "skiptune_steps_total") == "3")
  }

  @Test func theLastStateIsAlwaysWritten() throws {
    var monitor = try RunMonitor(file, run: folder.url, dataset: "D")
    try monitor.tell(
      RunMonitor.Standing(position: TrainingPosition(epoch: 3, batch: 0, step: 9), steps: 9, imagesPerSecond: 7))
    try monitor.tell(["test": "tuned", "classes": "all", "accuracy": 62.5])
    try monitor.tell(["test": "tuned", "classes": "none", "accuracy": nil])
    try monitor.end(.finished)
    #expect(try state() == "finished")
    #expect(try value(of: "skiptune_images_per_second") == "0" && value(of: "skiptune_remaining_seconds") == "0")
    let accuracies = try lines().filter { $0.hasPrefix("skiptune_test_accuracy_ratio{") }
    #expect(accuracies.count == 1)
    #expect(accuracies[0].hasSuffix(#",model="tuned",dataset="D",classes="all"} 0.625"#))
    #expect(try FileManager.default.contentsOfDirectory(atPath: folder.url.path) == ["run.prom"])
  }

  @Test func aRunThatFailsSaysSo() throws {
    let task = try SmallTask()
    let settings = ["optim.text_lr=1e30", "optim.image_lr=1e30", "optim.warmup_epochs=0", "evaluate.tuned=false"]
    _ = try LoopbackWorld.run(size: 2) { collectives in
      #expect(throws: Failure.self) {
        try LoopbackRunTests.run(task, "run", settings + ["output.prometheus=\(file.path)"], collectives)
      }
    }
    #expect(try state() == "failed")
    #expect(try value(of: "skiptune_remaining_seconds") == nil)
  }

  @Test func aFolderIsNeeded() throws {
    let lost = folder.file("missing").appending(path: "run.prom")
    for body in [{ try RunMonitor.judge(lost) }, { _ = try RunMonitor(lost, run: folder.url, dataset: "D") }] {
      let failure = #expect(throws: Failure.self) { try body() }
      #expect(failure?.status == .cannotCreate)
    }
  }

  private func lines() throws -> [String] {
    try String(contentsOf: file, encoding: .utf8).split(separator: "\n").map(String.init)
  }

  private func value(of metric: String) throws -> String? {
    try lines().first { $0.hasPrefix(metric + "{") }?.split(separator: " ").last.map(String.init)
  }

  private func state() throws -> String? {
    let pattern = /state="(\w+)"} 1$/
    return try lines().filter { $0.hasPrefix("skiptune_run_state{") }.compactMap { $0.firstMatch(of: pattern) }.first
      .map { String($0.1) }
  }
}
