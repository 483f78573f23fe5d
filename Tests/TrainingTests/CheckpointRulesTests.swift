import Checkpoints
import Diagnostics
import Foundation
import ShardFiles
import Synchronization
import TestSupport
import Testing

@testable import Training

/// When checkpoints are made and kept, and what follows when a disk is slow or refuses.
@Suite struct CheckpointRulesTests {
  static let quiet = ["evaluate.zero_shot=false", "evaluate.tuned=false"]

  // MARK: Which are kept

  @Test func theLastTheBestAndMultiplesAreKept() throws {
    let task = try SmallTask()
    let settings = [
      "checkpoint.every_steps=4", "checkpoint.keep_last=1", "checkpoint.keep_every_steps=20",
      "checkpoint.keep_best=loss", "checkpoint.best_is=highest",
    ]
    try run(task, "run", settings)
    let losses = try RunFolder(task.run("run")).steps().map(\.loss)
    // The checkpoint of step n holds the loss of the step before.
    let best = try #require(stride(from: 4, through: 60, by: 4).max { losses[$0 - 1] < losses[$1 - 1] })
    #expect(try steps(task, "run") == Set([20, 40, 60, best]))
  }

  @Test func theMeanLossOfAnEpochGoesOnAcrossStarts() throws {
    let task = try SmallTask()
    try run(task, "whole", ["checkpoint.every_steps=1", "checkpoint.keep_last=99"])
    try run(task, "short", ["limits.max_steps=27"])
    try run(task, "rest", from: StartingState(.checkpoint(path: task.checkpoint("short", step: 27).path)))
    let losses = try RunFolder(task.run("whole")).steps().map(\.loss)
    for (name, step, first) in [("whole", 27, 20), ("rest", 40, 20), ("whole", 40, 20), ("rest", 60, 40)] {
      let metrics = try manifest(task, name, step: step).metrics
      #expect(metrics["loss"] == losses[step - 1])
      let sum = losses[first..<step].reduce(0, +)
      #expect(metrics["epoch_loss"] == sum / Double(step - first), "\(name), step \(step)")
    }
  }

  @Test func checkpointsSayWhatTheyAreOf() throws {
    let task = try SmallTask()
    try run(task, "run", ["limits.max_steps=27"], ranks: 2)
    let state = try manifest(task, "run", step: 27).state
    let configuration = try String(
      contentsOf: task.run("run").appendingPathComponent("config.resolved.yaml"), encoding: .utf8)
    #expect(state["configuration"]?.string == configuration)
    let provenance = state["provenance"]
    #expect(provenance?["program"]?.string == "skiptune test" && provenance?["ranks"]?.integer == 2)
    #expect(provenance?["hosts"]?.integer == 1 && provenance?["threads_per_rank"]?.integer == 1)
    let sampler = state["sampler"]
    #expect(sampler?["seed"]?.integer == 3 && sampler?["order"]?.string == "random")
    #expect(sampler?["epoch"]?.integer == 1 && sampler?["batch"]?.integer == 7)
    let mask = try #require(state["class_skip"]?["mask"]?.string)
    #expect(mask.count == 10 && mask.hasPrefix("11111"))
  }

  // MARK: A slow disk

  /// Each frame, and so each shard, takes longer than several steps.
  private static let slowDisk = FaultPoints { if $0.hasPrefix("write shard") { usleep(40_000) } }

  @Test(arguments: [1, 2]) func aBusyWriterIsWaitedFor(ranks: Int) throws {
    let task = try SmallTask()
    let settings = ["checkpoint.every_steps=3", "checkpoint.keep_last=99", "limits.max_steps=20"]
    let counts = try run(task, "run", settings, ranks: ranks, faults: Self.slowDisk).checkpoints
    #expect(counts.saved == 7 && counts.skipped == 0 && counts.failed == 0)
    #expect(try steps(task, "run") == [3, 6, 9, 12, 15, 18, 20])
  }

  @Test(arguments: [1, 2]) func aCheckpointIsLeftOutWhereTheWriterIsBusy(ranks: Int) throws {
    let task = try SmallTask()
    let settings = [
      "checkpoint.every_steps=1", "checkpoint.keep_last=99", "checkpoint.when_busy=skip", "limits.max_steps=20",
    ]
    let counts = try run(task, "run", settings, ranks: ranks, faults: Self.slowDisk).checkpoints
    #expect(counts.skipped >= 10 && counts.failed == 0, "\(counts)")
    #expect(try steps(task, "run").count == counts.saved)
    #expect(try steps(task, "run").contains(20), "the last one is never left out")
  }

  @Test func severalThreadsWriteTheSame() throws {
    let task = try SmallTask()
    for threads in [1, 3] {
      try run(task, "threads-\(threads)", ["checkpoint.threads=\(threads)", "limits.max_steps=20"])
    }
    let shards = [1, 3].map {
      task.checkpoint("threads-\($0)", step: 20).appendingPathComponent("shard-00000-of-00001.zst")
    }
    #expect(try Data(contentsOf: shards[0]) == Data(contentsOf: shards[1]))
  }

  // MARK: A disk that refuses

  private static let changes = [
    "create step-", "create shard-", "write shard-", "sync shard-", "sync step-", "create manifest", "write manifest",
    "sync manifest", "rename step-", "replace latest", "remove shard-",
  ]
  private static let often = ["checkpoint.every_steps=4", "checkpoint.keep_last=1", "limits.max_steps=24"]

  /// Makes the first change of a kind fail that comes after so many others of that kind.
  private static func faults(_ change: String, after passes: Int = 2) -> FaultPoints {
    let left = Mutex(passes)
    return FaultPoints { current in
      guard current.hasPrefix(change) else { return }
      let isNow = left.withLock { left in
        left -= 1
        return left == -1
      }
      if isNow { throw Failure(.inputOutput, at: current, "No space left on device") }
    }
  }

  @Test(arguments: changes) func aRunMayGoOnWithoutACheckpoint(change: String) throws {
    let task = try SmallTask()
    let log = Mutex("")
    let settings = Self.often + ["checkpoint.on_error=continue"]
    let results = try run(task, "run", settings, ranks: 2, faults: Self.faults(change)) { line in
      log.withLock { $0 += line }
    }
    #expect(results.checkpoints.failed == 1)
    #expect(results.checkpoints.lastFailure?.contains("No space left on device") == true)
    #expect(log.withLock { $0 }.contains("IS NOT SAVED: "))
    #expect(results.training.steps == 24)
    let folder = task.run("run").appendingPathComponent("checkpoints")
    let names = try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted()
    if change != "remove shard-" { #expect(names == ["latest", "step-00000024"]) }
    try Checkpoint(reading: task.checkpoint("run", step: 24)).verify(.frames)
    #expect(results.summary.last?.contains("1 FAILED, the last one so: ") == true)
  }

  @Test func aRunStopsByDefault() throws {
    let task = try SmallTask()
    try run(task, "whole", Self.often, ranks: 2)
    let whole = try RunFolder(task.run("whole")).steps()
    for (number, change) in Self.changes.enumerated() {
      let failure = try #require(throws: Failure.self) {
        try run(task, "run-\(number)", Self.often, ranks: 2, faults: Self.faults(change))
      }
      #expect(failure.status == .inputOutput && failure.problem.hasPrefix("No space left on device"))
      // What was there is whole, and the run goes on from it as if nothing had been.
      try run(task, "run-\(number)", Self.often, from: StartingState(), ranks: 2)
      #expect(try RunFolder(task.run("run-\(number)")).steps() == whole, "\(change)")
    }
  }

  @Test func aFolderThatIsRemovedIsMadeAnew() throws {
    let task = try SmallTask()
    let folder = task.run("run").appendingPathComponent("checkpoints")
    let removals = Mutex(0)
    // In the middle of the second save, and of the fourth.
    let faults = FaultPoints { change in
      guard change.hasPrefix("sync shard") else { return }
      let number = removals.withLock { number in
        number += 1
        return number
      }
      if number == 2 || number == 4 { try FileManager.default.removeItem(at: folder) }
    }
    let results = try run(task, "run", Self.often + ["checkpoint.on_error=continue"], faults: faults)
    #expect(results.checkpoints.failed == 2 && results.checkpoints.saved == 4, "\(results.checkpoints)")
    try Checkpoint(reading: task.checkpoint("run", step: 24)).verify(.frames)
    #expect(throws: Failure.self) {
      removals.withLock { $0 = 0 }
      try run(
        task, "other", Self.often,
        faults: FaultPoints { change in
          if change.hasPrefix("sync shard") {
            try? FileManager.default.removeItem(at: task.run("other").appendingPathComponent("checkpoints"))
          }
        })
    }
  }

  // MARK: The model's file

  /// Differences are taken to the file, so one that somebody writes to is not read any more.
  @Test(arguments: ["create step-", "write shard-"]) func aModelThatIsWrittenToIsNoBase(moment: String) throws {
    let task = try SmallTask()
    let weights = task.model.appendingPathComponent("model.safetensors")
    let original = try Data(contentsOf: weights)
    let isDone = Mutex(false)
    let faults = FaultPoints { change in
      guard change.hasPrefix(moment) else { return }
      try isDone.withLock { isDone in
        if !isDone {
          let handle = try FileHandle(forWritingTo: weights)
          try handle.seek(toOffset: UInt64(original.count / 2))
          try handle.write(contentsOf: Data(repeating: 0x3C, count: 1000))
          try handle.close()
        }
        isDone = true
      }
    }
    let settings = Self.often + ["checkpoint.on_error=continue", "limits.max_steps=27", "output.save_model=false"]
    let counts = try run(task, "run", settings, faults: faults).checkpoints
    #expect(counts.failed == (moment == "write shard-" ? 1 : 0), "\(counts)")
    let shard = try #require(try manifest(task, "run", step: 27).shards.first)
    #expect(!shard.sections.isEmpty && shard.sections.allSatisfy { $0.encoding == .planes })
    try original.write(to: weights)
    try run(task, "rest", from: StartingState(.checkpoint(path: task.checkpoint("run", step: 27).path)))
    try run(task, "whole")
    #expect(try RunFolder(task.run("rest")).steps() == Array(RunFolder(task.run("whole")).steps().dropFirst(27)))
  }

  private func steps(_ task: SmallTask, _ name: String) throws -> Set<Int> {
    let folder = task.run(name).appendingPathComponent("checkpoints")
    return Set(try FileManager.default.contentsOfDirectory(atPath: folder.path).compactMap { Int($0.dropFirst(5)) })
  }

  private func manifest(_ task: SmallTask, _ name: String, step: Int) throws -> CheckpointManifest {
    try Checkpoint(reading: task.checkpoint(name, step: step)).manifest
  }

  @discardableResult
  private func run(
    _ task: SmallTask, _ name: String, _ settings: [String] = [], from start: StartingState = StartingState(.never),
    ranks: Int = 1, faults: FaultPoints = .none, log: @escaping @Sendable (String) -> Void = { _ in }
  ) throws -> RunResults {
    try LoopbackRunTests.run(
      task, name, Self.quiet + settings, from: start, ranks: ranks, faults: faults, log: log)[0]
  }
}
