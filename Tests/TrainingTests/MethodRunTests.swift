import Collectives
import Configuration
import Diagnostics
import Foundation
import MatrixBackends
import Reporting
import Safetensors
import Tensors
import TestSupport
import Testing

@testable import Training

/// Whole runs of the compared methods: any number of ranks, interruption, and tests of what was saved.
@Suite struct MethodRunTests {
  private static let methods = [
    ["method.kind=full"],
    // So few classes that some ranks have no texts.
    ["method.start_layer=0", "method.train_embeddings=true", "method.class_skip.ratio=0.1"],
    ["method.kind=prompt-tuning", "method.prompt.context_length=5"],
    ["method.kind=prompt-tuning", "method.prompt.context_words=a photo of a"],
    ["method.kind=adapter", "method.adapter.ratio=0.9", "optim.image_lr=0.1"],
    ["method.kind=linear-probe", "optim.image_lr=0.1"],
  ]

  @Test(arguments: methods) func anyWorldSizeTrainsTheSame(method: [String]) throws {
    let task = try SmallTask()
    let short = method + ["limits.max_steps=12", "evaluate.zero_shot=false"]
    let results = try (1...4).map { try run(task, "ranks-\($0)", short, ranks: $0)[0] }
    let alone = try RunFolder(task.run("ranks-1")).steps()
    #expect(alone.count == 12)
    for ranks in 2...4 {
      let steps = try RunFolder(task.run("ranks-\(ranks)")).steps()
      for (step, expected) in zip(steps, alone) {
        #expect(abs(step.loss / expected.loss - 1) <= 1e-5, "\(ranks) ranks")
        #expect(step.keptClasses == expected.keptClasses, "\(ranks) ranks")
      }
      #expect(results[ranks - 1].training.trainedParameters == results[0].training.trainedParameters)
      #expect(results[ranks - 1].tuned == results[0].tuned)
      // The order of sums over images and ranks, as in LoopbackRunTests.
      let distance = try distance(task, "ranks-\(ranks)", "ranks-1")
      #expect(distance <= 5e-6, "\(ranks) ranks: \(distance)")
    }
  }

  @Test(arguments: methods) func exchangesOfAnyKindSumTheSame(method: [String]) throws {
    let task = try SmallTask()
    let short = method + ["limits.max_steps=8", "evaluate.zero_shot=false", "evaluate.tuned=false"]
    try run(task, "alone", short)
    let exchanges = [
      ["exchange.class_parallel_text=false"], ["exchange.two_level=false"], ["exchange.bucket_mb=0.01"],
    ]
    for (index, exchange) in exchanges.enumerated() {
      try run(task, "\(index)", short + exchange, ranks: 3)
      let distance = try distance(task, "\(index)", "alone")
      #expect(distance <= 5e-6, "\(exchange): \(distance)")
    }
    // Two hosts that train apart end with one model, and all ranks say the same of it.
    let local = method + ["limits.max_steps=8", "exchange.local_steps=3"]
    let results = try LoopbackWorld.run(nodes: [0, 0, 1, 1]) { try LoopbackRunTests.run(task, "local", local, $0) }
    #expect(results.allSatisfy { $0.tuned == results[0].tuned && $0.training.steps == 8 })
    #expect(try distance(task, "local", "alone") < 0.5)
  }

  @Test(arguments: methods, ["sharded", "replicated"]) func aRunGoesOnToTheBit(method: [String], mode: String) throws {
    let task = try SmallTask()
    let settings = method + ["exchange.mode=\(mode)", "evaluate.zero_shot=false"]
    try run(task, "whole", settings + ["limits.max_steps=30"], ranks: 2)
    try run(task, "short", settings + ["limits.max_steps=17"], ranks: 2)
    let checkpoint = task.checkpoint("short", step: 17)
    try run(
      task, "rest", settings + ["limits.max_steps=30"], ranks: 2,
      from: StartingState(.checkpoint(path: checkpoint.path)))
    #expect(try RunFolder(task.run("rest")).steps() == Array(RunFolder(task.run("whole")).steps().dropFirst(17)))
    #expect(try weights(task, "rest") == weights(task, "whole"))
    #expect(try RunFolder(task.run("rest")).results().tuned == RunFolder(task.run("whole")).results().tuned)
  }

  @Test(arguments: methods) func aRunGoesOnOnOtherRanks(method: [String]) throws {
    let task = try SmallTask()
    let settings = method + ["evaluate.zero_shot=false", "evaluate.tuned=false"]
    try run(task, "whole", settings + ["limits.max_steps=16"])
    try run(task, "short", settings + ["limits.max_steps=9"], ranks: 2)
    let checkpoint = task.checkpoint("short", step: 9)
    for ranks in [1, 3] {
      try run(
        task, "rest-\(ranks)", settings + ["limits.max_steps=16"], ranks: ranks,
        from: StartingState(.checkpoint(path: checkpoint.path)))
      let distance = try distance(task, "rest-\(ranks)", "whole")
      #expect(distance <= 5e-6, "\(ranks) ranks: \(distance)")
    }
  }

  @Test(arguments: methods) func whatWasSavedIsTestedAsItWas(method: [String]) throws {
    let task = try SmallTask()
    let settings = method + ["limits.max_steps=20"]
    let result = try run(task, "run", settings)[0]
    #expect(result.zeroShot != result.tuned, "training moved nothing that a test sees")
    for (weights, expected) in [
      (TestedWeights.checkpoint(path: task.run("run").path), result.tuned), (.zeroShot, result.zeroShot),
    ] {
      let tested = try LoopbackWorld.run(size: 2) { try evaluate(task, settings, weights, $0) }
      #expect(tested[0].test == expected)
    }
  }

  @Test func zeroShotTestsAndTrainsNothing() throws {
    let task = try SmallTask()
    let plain = try run(task, "plain", ["limits.max_steps=1"])[0]
    let one = try run(task, "one", ["method.kind=zero-shot"], ranks: 3)[0]
    #expect(one.zeroShot == plain.zeroShot && one.tuned == nil)
    #expect(one.training.steps == 0 && one.training.trainedParameters == 0)
    #expect(try task.run("one").contents()["model"] == nil)
    let templates = #"evaluate.templates=["a photo of a {}.", "the {} here", "{}"]"#
    let many = try run(task, "many", ["method.kind=zero-shot", templates])[0]
    #expect(many.zeroShot != one.zeroShot)
    let tested = try LoopbackWorld.run(size: 1) { try evaluate(task, [templates], .zeroShot, $0) }
    #expect(tested[0].test == many.zeroShot)
  }

  @Test func methodsAndTasksThatDoNotGoTogetherAreRefused() throws {
    let task = try SmallTask()
    for (settings, place) in [
      (["method.kind=linear-probe", "task=base-to-new"], "method.kind"),
      (["method.train_embeddings=true"], "train_embeddings"),
      (["method.kind=prompt-tuning", "method.prompt.context_words=' '"], "context_words"),
      (["method.kind=prompt-tuning", "method.prompt.context_length=75"], "class 0"),
      (["evaluate.templates=[a photo]"], "templates"),
    ] {
      let failure = try #require(throws: Failure.self) { try run(task, "bad", settings) }
      #expect("\(failure)".contains(place), "\(failure)")
      #expect(FileManager.default.fileExists(atPath: task.run("bad").path) == false)
    }
    // A checkpoint of another method.
    try run(task, "adapter", ["method.kind=adapter", "limits.max_steps=2"])
    let failure = try #require(throws: Failure.self) {
      _ = try LoopbackWorld.run(size: 1) {
        try evaluate(task, [], .checkpoint(path: task.run("adapter").path), $0)
      }
    }
    #expect(failure.status == .badData && "\(failure)".contains("adapter.down.weight"))
  }

  /// A probe knows classes by number alone: as many others are other classes.
  @Test func aProbeIsTestedOnItsOwnClassesOnly() throws {
    let task = try SmallTask()
    let probe = ["method.kind=linear-probe", "optim.image_lr=0.1"]
    try run(task, "probe", probe + ["limits.max_steps=4"])
    let split = try String(contentsOf: task.splitFile, encoding: .utf8)
    try Data(split.replacing("\"jade\"", with: "\"jasper\"").utf8).write(to: task.splitFile)
    let failure = try #require(throws: Failure.self) {
      _ = try LoopbackWorld.run(size: 2) {
        try evaluate(task, probe, .checkpoint(path: task.run("probe").path), $0)
      }
    }
    #expect(failure.status == .badData && "\(failure)".contains("classes of another data set"), "\(failure)")
  }

  @Test(arguments: methods + [["method.kind=zero-shot"]]) func testsAreTimed(method: [String]) throws {
    let task = try SmallTask()
    let result = try run(task, "run", method + ["limits.max_steps=2"])[0]
    #expect(result.training.testSeconds?.keys.sorted() == ["all"])
    #expect(result.training.testSeconds?.values.allSatisfy { $0 > 0 } == true)
    let untested = try run(task, "untested", method + ["limits.max_steps=2", "evaluate.tuned=false"])[0]
    #expect((untested.training.testSeconds == nil) == (untested.method != "zero-shot"))
  }

  // MARK: - Runs

  @discardableResult
  private func run(
    _ task: SmallTask, _ name: String, _ settings: [String], ranks: Int = 1,
    from start: StartingState = StartingState(.never)
  ) throws -> [RunResults] {
    try LoopbackRunTests.run(task, name, settings, from: start, ranks: ranks)
  }

  private func evaluate(
    _ task: SmallTask, _ overrides: [String], _ weights: TestedWeights, _ collectives: any MessagePassing
  ) throws -> EvaluationResults {
    let source = try ConfigurationSource(files: [task.configuration], overrides: overrides)
    let console = ConsoleOutput(isTerminal: false) { _ in }
    let destination = LogDestination(console)
    return try EvaluationRun(
      RunSettings.read(source, for: .evaluation).settings, weights,
      TrainingRun.Environment(
        collectives: collectives, product: OpenBLASProduct(threads: 1), threads: 1, console: console,
        log: ConsoleLog(destination, rank: collectives.rank).logger(), logDestination: destination, version: "test")
    ).run()
  }

  private func file(_ task: SmallTask, _ name: String) -> URL {
    let own = task.run(name).appendingPathComponent("model/method.safetensors")
    return FileManager.default.fileExists(atPath: own.path)
      ? own : task.run(name).appendingPathComponent("model/model.safetensors")
  }

  private func weights(_ task: SmallTask, _ name: String) throws -> Data { try Data(contentsOf: file(task, name)) }

  /// Relative distance of the tensors of two runs, all together.
  private func distance(_ task: SmallTask, _ name: String, _ other: String) throws -> Double {
    let (a, b) = (
      try SafetensorsFile(contentsOf: file(task, name)), try SafetensorsFile(contentsOf: file(task, other))
    )
    var (difference, length) = (0.0, 0.0)
    for name in b.names {
      for (x, y) in zip(try a.tensor(name).array, try b.tensor(name).array) {
        difference += Double(x - y) * Double(x - y)
        length += Double(y) * Double(y)
      }
    }
    return (difference / length).squareRoot()
  }
}
