import Collectives
import Foundation
import TestSupport
import Testing

@testable import Training

/// What rounding to bfloat16 took from messages is part of the state: a run that was stopped goes on with it.
@Suite struct RoundingErrorsTests {
  private static let rounded = ["exchange.precision=bf16", "exchange.bucket_mb=0.05"]

  /// Stopped in the middle of an epoch, at a step at which the other run saves nothing.
  @Test(arguments: [[0, 1], [0, 0, 1], [0, 1, 1, 2]]) func theSameHostsGoOnToTheBit(nodes: [Int]) throws {
    let task = try SmallTask()
    try run(task, "whole", nodes, Self.rounded)
    try run(task, "short", nodes, Self.rounded + ResumeTests.stop)
    let start = StartingState(.checkpoint(path: task.checkpoint("short", step: 27).path))
    try run(task, "rest", nodes, Self.rounded, from: start)
    try expectSame(task, from: 27)
    // Other hosts have nothing of it, which is the rounding of one step.
    try run(task, "other", [0, 1, 2, 3], Self.rounded, from: start)
    let (rest, other) = (try RunFolder(task.run("rest")).steps(), try RunFolder(task.run("other")).steps())
    #expect(other.map(\.step) == Array(27..<60))
    for (step, same) in zip(other, rest) { #expect(abs(step.loss / same.loss - 1) <= 1e-3) }
  }

  @Test func averagesOfLocalStepsGoOnToTheBit() throws {
    let task = try SmallTask()
    let settings = Self.rounded + ["exchange.local_steps=4", "exchange.outer_momentum=0.5"]
    try run(task, "whole", [0, 1, 1], settings)
    try run(task, "short", [0, 1, 1], settings + ["limits.max_steps=28", "evaluate.tuned=false"])
    let start = StartingState(.checkpoint(path: task.checkpoint("short", step: 28).path))
    try run(task, "rest", [0, 1, 1], settings, from: start)
    try expectSame(task, from: 28)
  }

  private func expectSame(_ task: SmallTask, from step: Int) throws {
    try ResumeTests.expectEqualEnds(RunFolder(task.run("whole")), RunFolder(task.run("rest")), from: step)
  }

  private func run(
    _ task: SmallTask, _ name: String, _ nodes: [Int], _ settings: [String],
    from start: StartingState = StartingState(.never)
  ) throws {
    try LoopbackRunTests.run(task, name, nodes: nodes, settings, from: start)
  }
}
