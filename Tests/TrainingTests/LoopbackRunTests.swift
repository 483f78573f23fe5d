import Collectives
import Configuration
import Diagnostics
import Foundation
import MatrixBackends
import Reporting
import ShardFiles
import TestSupport
import Testing

@testable import Training

/// Whole runs in this process, each rank a thread: what holds under mpirun must hold without it.
@Suite struct LoopbackRunTests {
  @Test func anyWorldSizeTrainsTheSameModel() throws {
    let task = try SmallTask()
    let results = try (1...4).map { try run(task, "ranks-\($0)", ranks: $0) }
    let alone = RunFolder(task.run("ranks-1"))
    #expect(try alone.steps().count == 60)
    for ranks in 2...4 {
      let distance = try #require(try RunFolder(task.run("ranks-\(ranks)")).distance(to: alone))
      // The order of sums over images and ranks: 2^-24 per step, carried on through 60 steps.
      #expect(distance.loss <= 1e-5, "\(ranks) ranks")
      #expect(distance.weights <= 5e-6, "\(ranks) ranks")
      #expect(distance.stepsWithOtherClasses == 0, "\(ranks) ranks")
    }
    for (index, ofWorld) in results.enumerated() {
      #expect(ofWorld.count == index + 1)
      for result in ofWorld {
        #expect(result.ranks == index + 1)
        #expect(result.zeroShot == results[0][0].zeroShot && result.tuned == results[0][0].tuned)
        #expect(result.training.finalLoss == ofWorld[0].training.finalLoss)
      }
    }
  }

  /// One rank alone on its host takes part in what the others do to share memory.
  @Test func hostsMayHaveDifferentNumbersOfRanks() throws {
    let task = try SmallTask()
    _ = try run(task, "alone", ["limits.max_steps=8", "evaluate.tuned=false"])
    _ = try LoopbackWorld.run(nodes: [0, 0, 1]) {
      try Self.run(task, "uneven", ["limits.max_steps=8", "evaluate.tuned=false"], $0)
    }
    let distance = try #require(try RunFolder(task.run("uneven")).distance(to: RunFolder(task.run("alone"))))
    #expect(distance.loss <= 1e-5 && distance.weights <= 5e-6)
  }

  @Test func allRanksThrowTheFailureOfTheOneThatHasIt() throws {
    let task = try SmallTask()
    let image = task.image("train", label: 9, number: 7)
    try Data(contentsOf: image).prefix(700).write(to: image)
    let failures = try LoopbackWorld.run(size: 3) { collectives in
      do {
        _ = try Self.run(task, "run", [], collectives)
        return nil as Failure?
      } catch let failure as Failure { return failure }
    }
    #expect(failures.allSatisfy { $0 == failures[0] })
    #expect(failures[0]?.status == .badData && failures[0]?.place == image.path)
    #expect(try task.run("run").contents()["COMPLETED"] == nil)
  }

  @Test func aDiskThatCannotBeWrittenEndsAllRanksAlike() throws {
    let task = try SmallTask()
    let failures = try LoopbackWorld.run(size: 2) { collectives in
      do {
        _ = try Self.run(task, "run", ["run_dir=\(task.configuration.path)/run"], collectives)
        return nil as Failure?
      } catch let failure as Failure { return failure }
    }
    #expect(failures[0]?.status == .cannotCreate)
    #expect(failures[0] == failures[1])
  }

  @Test func ratesFollowThePublishedSchedule() throws {
    let task = try SmallTask()
    _ = try run(task, "run", ["optim.epochs=4", "optim.text_lr=2e-5", "optim.image_lr=5e-6", "optim.warmup_lr=1e-6"])
    let steps = try RunFolder(task.run("run")).steps()
    #expect(steps.map(\.step) == Array(0..<80))
    for step in steps {
      #expect(step.epoch == step.step / 20)
      let cosine = (1 + cos(Double.pi * Double(step.epoch - 1) / 4)) / 2
      #expect(abs(step.textLr - (step.epoch == 0 ? 1e-6 : 2e-5 * cosine)) < 1e-15)
      #expect(abs(step.imageLr - (step.epoch == 0 ? 1e-6 : 5e-6 * cosine)) < 1e-15)
    }
  }

  @Test func stepsEndInTheMiddleOfAnEpoch() throws {
    let task = try SmallTask()
    let whole = try run(task, "whole")[0]
    let short = try run(task, "short", ["limits.max_steps=27", "evaluate.tuned=false"])[0]
    #expect(whole.training.steps == 60 && whole.training.epochs == 3)
    #expect(short.training.steps == 27 && short.training.epochs == 2)
    #expect(short.tuned == nil && short.zeroShot == whole.zeroShot)
    #expect(try RunFolder(task.run("short")).steps() == Array(RunFolder(task.run("whole")).steps().prefix(27)))
  }

  @Test func baseAndNewClassesAreTestedApart() throws {
    let task = try SmallTask()
    let result = try run(task, "run", ["task=base-to-new", "data.shots=4", "batch.order=auto"])[0]
    let tuned = try #require(result.tuned)
    #expect(tuned.scores.mapValues(\.images) == ["base": 25, "new": 25])
    let (base, new) = (try #require(tuned.scores["base"]?.accuracy), try #require(tuned.scores["new"]?.accuracy))
    let mean = base + new == 0 ? 0 : 2 * base * new / (base + new)
    #expect(abs(try #require(tuned.harmonicMean) - mean) < 1e-9)
    // 5 base classes of 4 shots: 5 batches of one class an epoch.
    #expect(result.training.steps == 15)
    #expect(try RunFolder(task.run("run")).steps().allSatisfy { $0.keptClasses.allSatisfy { $0 < 5 } })
  }

  private func run(
    _ task: SmallTask, _ name: String, ranks: Int = 1, _ settings: [String] = []
  ) throws -> [RunResults] {
    try LoopbackWorld.run(size: ranks) { try Self.run(task, name, settings, $0) }
  }

  /// A whole run; the results of each rank.
  @discardableResult
  static func run(
    _ task: SmallTask, _ name: String, _ settings: [String] = [], from start: StartingState, ranks: Int = 1,
    faults: FaultPoints = .none, log: @escaping @Sendable (String) -> Void = { _ in }
  ) throws -> [RunResults] {
    try LoopbackWorld.run(size: ranks) { collectives in
      try run(task, name, settings, from: start, collectives, faults: faults) { if collectives.rank == 0 { log($0) } }
    }
  }

  /// The same on hosts: `nodes[r]` is the host of rank r.
  @discardableResult
  static func run(
    _ task: SmallTask, _ name: String, nodes: [Int], _ settings: [String],
    from start: StartingState = StartingState(.never)
  ) throws -> [RunResults] {
    try LoopbackWorld.run(nodes: nodes) { try run(task, name, settings, from: start, $0) }
  }

  /// One rank's part of a run.
  static func run(
    _ task: SmallTask, _ name: String, _ overrides: [String], from start: StartingState = StartingState(.never),
    traceFile: URL? = nil, _ collectives: any MessagePassing, faults: FaultPoints = .none,
    log: @escaping @Sendable (String) -> Void = { _ in }
  ) throws -> RunResults {
    let source = try ConfigurationSource(
      files: [task.configuration], overrides: ["run_dir=\(task.run(name).path)"] + overrides)
    let (settings, resolved) = try RunSettings.read(source)
    let console = ConsoleOutput(isTerminal: false) { log($0) }
    let destination = LogDestination(console)
    var environment = TrainingRun.Environment(
      collectives: collectives, product: MachineProduct(threads: 1), threads: 1, console: console,
      log: ConsoleLog(destination, rank: collectives.rank).logger(), logDestination: destination, version: "test",
      traceFile: traceFile)
    environment.checkpointFaults = faults
    return try TrainingRun(settings, resolved, from: start, environment).run()
  }
}
