import Collectives
import Configuration
import Diagnostics
import Foundation
import MatrixBackends
import Reporting
import TestSupport
import Testing

@testable import Training

/// Runs that go on from a checkpoint of a shorter run, against a run that was never stopped.
@Suite struct ResumeTests {
  /// In the middle of the second of three epochs of 20 steps, between two checkpoints of `every_steps`.
  static let stop = ["limits.max_steps=27", "evaluate.tuned=false"]

  @Test(arguments: [1, 2]) func sameRanksGoOnToTheBit(ranks: Int) throws {
    let task = try SmallTask()
    try run(task, "whole", ranks: ranks)
    try run(task, "short", ranks: ranks, Self.stop)
    try run(task, "rest", ranks: ranks, from: checkpoint(task, step: 27))
    let (whole, rest) = (RunFolder(task.run("whole")), RunFolder(task.run("rest")))
    try Self.expectEqualEnds(whole, rest, from: 27)
    #expect(try rest.results().tuned == whole.results().tuned)
    #expect(try rest.results().zeroShot == whole.results().zeroShot, "the test before training is not lost")
  }

  @Test func fourRanksSaveAndAnyNumberGoesOn() throws {
    let task = try SmallTask()
    try run(task, "whole", ranks: 4)
    try run(task, "short", ranks: 4, Self.stop)
    let whole = try RunFolder(task.run("whole")).steps()
    for ranks in 1...4 {
      try run(task, "rest-\(ranks)", ranks: ranks, from: checkpoint(task, step: 27))
      let steps = try RunFolder(task.run("rest-\(ranks)")).steps()
      #expect(steps.map(\.step) == Array(27..<60))
      for (step, expected) in zip(steps, whole.dropFirst(27)) {
        // Another order of sums, as between worlds that were never stopped.
        #expect(abs(step.loss / expected.loss - 1) <= 1e-5)
        #expect(step.keptClasses == expected.keptClasses)
      }
    }
  }

  @Test func aRunWithoutCheckpointsStartsFromTheBeginning() throws {
    let task = try SmallTask()
    try run(task, "run", Self.stop, from: StartingState())
    #expect(try RunFolder(task.run("run")).steps().count == 27)
  }

  @Test func anUnfinishedRunGoesOnInItsFolderWithoutDoubledSteps() throws {
    let task = try SmallTask()
    try run(task, "whole")
    try run(task, "run", Self.stop + ["checkpoint.every_steps=8", "checkpoint.keep_last=3"])
    let folder = task.run("run")
    let files = FileManager.default
    // As a run that was killed after its 27th step, before it saved that one.
    try files.removeItem(at: folder.appendingPathComponent("COMPLETED"))
    try files.removeItem(at: folder.appendingPathComponent("checkpoints/step-00000027"))
    try files.removeItem(at: folder.appendingPathComponent("model"))
    try run(task, "run", from: StartingState())
    #expect(try RunFolder(folder).steps() == (try RunFolder(task.run("whole")).steps()))
    #expect(try RunFolder(folder).weightBytes() == RunFolder(task.run("whole")).weightBytes())
  }

  @Test func aDamagedCheckpointIsRefusedAndAnOlderOneOffered() throws {
    let task = try SmallTask()
    try run(task, "short", Self.stop + ["checkpoint.every_steps=8", "checkpoint.keep_last=3"])
    let shard = task.run("short").appendingPathComponent("checkpoints/step-00000027/shard-00000-of-00001.zst")
    var bytes = try Data(contentsOf: shard)
    bytes[bytes.count / 2] ^= 1
    try bytes.write(to: shard)
    let start = checkpoint(task, step: 27)
    let failure = try #require(throws: Failure.self) { try run(task, "rest", from: start) }
    #expect(failure.status == .badData)
    #expect(failure.remedy?.contains("step-00000024") == true)
  }

  private func checkpoint(_ task: SmallTask, step: Int) -> StartingState {
    StartingState(.checkpoint(path: task.checkpoint("short", step: step).path))
  }

  /// Expects that a run which went on after `step` steps took the steps of one that was never stopped, to the bit.
  static func expectEqualEnds(
    _ whole: RunFolder, _ rest: RunFolder, from step: Int, _ location: SourceLocation = #_sourceLocation
  ) throws {
    #expect(try rest.steps() == Array(whole.steps().dropFirst(step)), sourceLocation: location)
    #expect(try rest.weightBytes() == whole.weightBytes(), sourceLocation: location)
  }

  private func run(
    _ task: SmallTask, _ name: String, ranks: Int = 1, _ settings: [String] = [],
    from start: StartingState = StartingState(.never)
  ) throws {
    try LoopbackRunTests.run(task, name, settings, from: start, ranks: ranks)
  }
}

extension SmallTask {
  func checkpoint(_ run: String, step: Int) -> URL {
    self.run(run).appendingPathComponent("checkpoints/step-0000\(String(10_000 + step).dropFirst())")
  }
}
