import Collectives
import Diagnostics
import Foundation
import TestSupport
import Testing

@testable import Training

/// Runs of which some ranks evaluate, in this process.
@Suite struct BackgroundRunTests {
  private static let background = ["evaluate.zero_shot=false", "evaluate.ranks=1", "checkpoint.keep_best=accuracy"]

  private func run(
    _ task: SmallTask, _ name: String, ranks: Int, _ settings: [String],
    from start: StartingState = StartingState(.never)
  ) throws -> [RunResults] {
    try LoopbackWorld.run(size: ranks, deadline: .seconds(60)) {
      try LoopbackRunTests.run(task, name, settings, from: start, $0)
    }
  }

  @Test(arguments: [(2, 1), (1, 1), (2, 2)]) func trainingIsThatOfFewerRanks(trainers: Int, evaluators: Int) throws {
    let task = try SmallTask()
    let plain = try run(task, "plain", ranks: trainers, ["evaluate.zero_shot=false"])
    let divided = try run(
      task, "divided", ranks: trainers + evaluators, Self.background + ["evaluate.ranks=\(evaluators)"])
    let folders = ["plain", "divided"].map { RunFolder(task.run($0)) }
    #expect(try folders[0].steps() == folders[1].steps())
    #expect(try folders[0].weightBytes() == folders[1].weightBytes())
    #expect(divided.count == trainers + evaluators)
    for result in divided {
      #expect(result.ranks == trainers && result.tuned == plain[0].tuned)
      #expect(result.evaluations == divided[0].evaluations && result.best == divided[0].best)
    }
    let last = try #require(divided[0].evaluations?.last)
    #expect(last.step == 60 && last.epoch == 3, "the last checkpoint is never left out")
    #expect(last.tests[0].correct == plain[0].tuned?.scores["all"]?.correct)
    let best = try #require(divided[0].best)
    #expect(best.value == divided[0].evaluations?.compactMap { $0.value(.accuracy) }.max())
    let name = try String(contentsOf: task.run("divided").appendingPathComponent("checkpoints/best"), encoding: .utf8)
    #expect(name == best.checkpoint + "\n")
  }

  @Test func stoppingToEvaluateFindsTheSame() throws {
    let task = try SmallTask()
    let settings = ["evaluate.zero_shot=false", "checkpoint.keep_last=5"]
    _ = try run(task, "plain", ranks: 2, settings)
    let stopping = try run(task, "stopping", ranks: 2, settings + ["evaluate.every_epochs=1"])
    let beside = try run(task, "beside", ranks: 3, settings + ["evaluate.ranks=1"])
    let found = try #require(stopping[0].evaluations)
    #expect(found.map(\.step) == [20, 40, 60] && stopping[1].evaluations == found)
    #expect(try RunFolder(task.run("plain")).weightBytes() == RunFolder(task.run("stopping")).weightBytes())
    for evaluation in try #require(beside[0].evaluations) {
      let other = try #require(found.first { $0.step == evaluation.step })
      #expect(evaluation.tests == other.tests && evaluation.manifestHash != "")
    }
  }

  /// What an evaluating rank cannot read ends all alike.
  @Test func aFailureOfAnEvaluatingRankEndsTheRun() throws {
    let task = try SmallTask()
    let image = task.image("test", label: 3, number: 2)
    try Data(contentsOf: image).prefix(300).write(to: image)
    let failures = try LoopbackWorld.run(size: 3, deadline: .seconds(60)) { collectives in
      do {
        _ = try LoopbackRunTests.run(task, "run", Self.background + ["optim.epochs=2000"], collectives)
        return nil as Failure?
      } catch let failure as Failure { return failure }
    }
    #expect(failures.allSatisfy { $0 != nil && $0 == failures[0] })
    #expect(failures[0]?.status == .badData && failures[0]?.problem.contains("evaluation of the checkpoint") == true)
    #expect(try task.run("run").contents()["COMPLETED"] == nil)
  }

  /// What is found while inputs are judged leaves no run directory behind.
  @Test func allAreJudgedBeforeAnythingIsWritten() throws {
    let task = try SmallTask()
    let other = task.folder.appendingPathComponent("other.yaml")
    try Data("data:\n  name: other\n  folder: nowhere\n".utf8).write(to: other)
    let failures = try LoopbackWorld.run(size: 2, deadline: .seconds(60)) { collectives in
      failure {
        _ = try LoopbackRunTests.run(task, "run", Self.background + ["evaluate.datasets=[\(other.path)]"], collectives)
      }
    }
    #expect(failures[0]?.status == .missingInput && failures[0] == failures[1])
    #expect(!FileManager.default.fileExists(atPath: task.run("run").path))
    let alone = failure { _ = try run(task, "run", ranks: 1, Self.background) }
    #expect(alone?.status == .usage && alone?.place == "evaluate.ranks")
  }

  /// Labels of test images that no training learns: nothing gets better for ever.
  @Test(arguments: ["evaluate.ranks=1", "evaluate.every_epochs=1"]) func trainingEndsWhereItGetsNoBetter(how: String)
    throws
  {
    let task = try SmallTask()
    let settings = [
      "evaluate.zero_shot=false", how, "checkpoint.keep_best=accuracy", "limits.patience=2", "optim.epochs=400",
      "checkpoint.when_busy=wait",
    ]
    let results = try run(task, "run", ranks: 3, settings)
    #expect(results.allSatisfy { $0.stoppedEarly == true && $0.training.steps == results[0].training.steps })
    #expect(results[0].training.steps < 8000)
    let known = try #require(results[0].evaluations)
    #expect(known.last?.step == results[0].training.steps && results[0].best != nil)
    #expect(try RunFolder(task.run("run")).steps().count == results[0].training.steps)
    #expect(try task.run("run").contents()["COMPLETED"] != nil)
  }

  /// A start that ends in the middle of an epoch, and the next one: everything that is kept is evaluated, once.
  @Test func aRunThatGoesOnEvaluatesTheRest() throws {
    let task = try SmallTask()
    _ = try run(task, "run", ranks: 1, ["evaluate.zero_shot=false", "checkpoint.keep_last=9", "limits.max_steps=45"])
    // As if it had been stopped: it has no evaluations yet, and its results go.
    for name in ["COMPLETED", "results.json", "results.md", "model"] {
      try FileManager.default.removeItem(at: task.run("run").appendingPathComponent(name))
    }
    let results = try run(task, "run", ranks: 2, Self.background + ["checkpoint.keep_last=9"], from: StartingState())
    #expect(results[0].evaluations?.map(\.step) == [20, 40, 45, 60])
    let lines = try RunFolder(task.run("run")).metricLines().filter { $0.contains("\"test\": \"checkpoint\"") }
    #expect(lines.count == 4)
  }
}
