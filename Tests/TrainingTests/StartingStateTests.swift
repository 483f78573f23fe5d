import Diagnostics
import Foundation
import Synchronization
import TestSupport
import Testing

@testable import Training

/// What a run may start from, and what is refused.
@Suite struct StartingStateTests {
  /// In the middle of the second of three epochs of 20 steps.
  static let stop = ["limits.max_steps=27", "evaluate.tuned=false"]

  // MARK: Differences

  @Test(arguments: [
    ("seed=9", "seed was 3 and is now 9"), ("optim.text_lr=0.5", "optim.text_lr was 0.01 and is now 0.5"),
    ("method.start_layer=2", "method.start_layer was 6 and is now 2"),
    ("data.shots=2", "data.shots was null and is now 2"),
  ])
  func aCheckpointOfAnotherRunIsRefused(setting: String, words: String) throws {
    let task = try SmallTask()
    try run(task, "short", Self.stop)
    let failure = try #require(throws: Failure.self) {
      try run(task, "rest", [setting], from: checkpoint(task, step: 27))
    }
    #expect(failure.status == .usage)
    #expect(failure.problem.contains(words), "\(failure)")
    #expect(failure.remedy?.contains("--accept-differences") == true)
  }

  @Test func allDifferencesAreCountedAndTheFirstNamed() throws {
    let task = try SmallTask()
    try run(task, "short", Self.stop)
    let settings = ["seed=9", "optim.text_lr=0.5", "optim.image_lr=0.5", "optim.momentum=0.8", "augment.enabled=false"]
    let failure = try #require(throws: Failure.self) {
      try run(task, "rest", settings, from: checkpoint(task, step: 27))
    }
    // The seed also changes the order of batches.
    #expect(failure.problem.contains("(6 differences): seed was 3 and is now 9, optim.text_lr was"), "\(failure)")
    #expect(failure.problem.hasSuffix(", and 3 more"), "\(failure)")
  }

  @Test(arguments: ["a label", "an image", "a class name", "the preprocessing"])
  func otherDataUnderTheSameSettingsIsRecognised(change: String) throws {
    let task = try SmallTask()
    try run(task, "short", Self.stop)
    let split = try String(contentsOf: task.splitFile, encoding: .utf8)
    let words: String
    switch change {
    case "a label":
      // Two training images swap their places.
      let names = ["amber/train-0.png", "amber/train-1.png"]
      let swapped = split.replacing(names[0], with: "?").replacing(names[1], with: names[0]).replacing(
        "?", with: names[1])
      try Data(swapped.utf8).write(to: task.splitFile)
      words = "the list of training images was 80 images with hash"
    case "an image":
      let image = task.image("train", label: 1, number: 1)
      try (Data(contentsOf: image) + [0]).write(to: image)
      words = "the training images' file sizes"
    case "a class name":
      try Data(split.replacing("\"jade\"", with: "\"jewel\"").utf8).write(to: task.splitFile)
      words = "(2 differences): the list of classes was ..., ivory, jade and is now ..., ivory, jewel"
    default:
      let steps = #"{"size": 40, "crop_size": 32, "image_mean": [0.5, 0.5, 0.5]}"#
      try Data(steps.utf8).write(to: task.model.appendingPathComponent("preprocessor_config.json"))
      words = "the image preprocessing was resize 32, crop 32"
    }
    let failure = try #require(throws: Failure.self) { try run(task, "rest", from: checkpoint(task, step: 27)) }
    #expect(failure.status == .usage && failure.problem.contains(words), "\(failure)")
  }

  @Test func acceptedDifferencesAreSaidAndRemembered() throws {
    let task = try SmallTask()
    try run(task, "run", Self.stop)
    try reopen(task, "run")
    let log = Mutex("")
    let accepting = StartingState(acceptsDifferences: true)
    try run(task, "run", ["optim.text_lr=0.5", "limits.max_steps=30"], from: accepting) { line in
      log.withLock { $0 += line }
    }
    #expect(log.withLock { $0 }.contains("warning step-00000027 is gone on from although optim.text_lr was 0.01"))
    let steps = try RunFolder(task.run("run")).steps()
    #expect(steps.map(\.step) == Array(0..<30))
    #expect(steps[26].textLr / 0.01 == steps[27].textLr / 0.5)
    // Later starts have the new settings, and still know.
    try reopen(task, "run")
    let results = try run(task, "run", ["optim.text_lr=0.5"], from: StartingState())
    #expect(results.acceptedDifferences == ["step 27: optim.text_lr was 0.01 and is now 0.5"])
    #expect(results.training.steps == 60)
  }

  @Test func otherTrainedTensorsAreNeverAccepted() throws {
    let task = try SmallTask()
    try run(task, "short", Self.stop)
    var start = checkpoint(task, step: 27)
    start.acceptsDifferences = true
    let failure = try #require(throws: Failure.self) { try run(task, "rest", ["method.start_layer=2"], from: start) }
    #expect(failure.status == .badData && failure.problem.contains("the checkpoint trains"), "\(failure)")
  }

  /// Twenty batches of 4 images become ten of 8: the 27th step has no place in its epoch any more, or another one.
  @Test(arguments: [(27, 1, 7), (38, 2, 0)])
  func batchesThatAnEpochNoLongerHasAreLeftOut(step: Int, epoch: Int, batch: Int) throws {
    let task = try SmallTask()
    try run(task, "short", ["limits.max_steps=\(step)", "evaluate.tuned=false"])
    var start = checkpoint(task, step: step)
    start.acceptsDifferences = true
    try run(task, "rest", ["batch.global=8"], from: start)
    let steps = try RunFolder(task.run("rest")).steps()
    #expect(steps.first?.epoch == epoch)
    #expect(steps.count == (3 - epoch) * 10 - batch)
  }

  // MARK: Going on

  @Test func aRunWithoutCheckpointsStartsFromTheBeginningAndKeepsWhatIsThere() throws {
    let task = try SmallTask()
    let none = ["checkpoint.every_epochs=0"]
    try run(task, "run", Self.stop + none)
    try reopen(task, "run")
    try run(task, "run", ["limits.max_steps=3"] + none, from: StartingState())
    #expect(try RunFolder(task.run("run")).steps().count == 3)
    #expect(try RunFolder(task.run("run").appendingPathComponent("previous-1")).steps().count == 27)
  }

  /// Another history from an older checkpoint on: what was saved later must not be taken for a part of it.
  @Test func goingBackLeavesLaterCheckpointsBehind() throws {
    let task = try SmallTask()
    let often = ["checkpoint.every_steps=8", "checkpoint.keep_last=9"]
    try run(task, "short", Self.stop + often)
    try reopen(task, "short")
    var back = checkpoint(task, step: 8)
    back.acceptsDifferences = true
    try run(task, "short", Self.stop + often + ["optim.image_lr=0.02"], from: back)
    let names = try FileManager.default.contentsOfDirectory(
      atPath: task.run("short").appendingPathComponent("checkpoints").path)
    #expect(
      names.filter { $0.contains(".superseded-") }.map { $0.prefix(13) }.sorted()
        == ["step-00000016", "step-00000020", "step-00000024", "step-00000027"])
    // A run that never was anything else is the same from there on.
    try run(task, "whole", Self.stop + often + ["optim.image_lr=0.02"], from: back)
    for step in [16, 27] {
      let shards = ["short", "whole"].map {
        task.checkpoint($0, step: step).appendingPathComponent("shard-00000-of-00001.zst")
      }
      #expect(try Data(contentsOf: shards[0]) == Data(contentsOf: shards[1]))
    }
  }

  // MARK: Beginning with another run's parameters

  @Test(arguments: [1, 2]) func aNewRunBeginsWithOthersParametersAlone(ranks: Int) throws {
    let task = try SmallTask()
    try run(task, "short", Self.stop)
    let source = checkpoint(task, step: 27)
    let start = StartingState(initialCheckpoint: task.checkpoint("short", step: 27).path)
    let log = Mutex("")
    try run(task, "copy", ["limits.max_steps=0", "seed=5"], from: start, ranks: ranks) { line in
      log.withLock { $0 += line }
    }
    let files = ["short", "copy"].map { RunFolder(task.run($0)).model.appendingPathComponent("model.safetensors") }
    #expect(try Data(contentsOf: files[0]) == Data(contentsOf: files[1]))
    #expect(log.withLock { $0 }.contains("beginning with the parameters of"))

    // With another seed, and from the first step on; momentum begins at nothing, so a step differs from the resumed one.
    let results = try run(task, "new", ["limits.max_steps=30"], from: start, ranks: ranks)
    let steps = try RunFolder(task.run("new")).steps()
    #expect(steps.map(\.step) == Array(0..<30))
    #expect(results.initialCheckpoint?.step == 27)
    #expect(results.initialCheckpoint?.path == task.checkpoint("short", step: 27).path)
    try run(task, "rest", ["limits.max_steps=30"], from: source, ranks: ranks)
    #expect(try RunFolder(task.run("rest")).steps().last?.loss != steps.last?.loss)
  }

  @Test func anInterruptedNewRunGoesOnWithItsOwnCheckpoint() throws {
    let task = try SmallTask()
    try run(task, "short", Self.stop)
    let start = StartingState(initialCheckpoint: task.checkpoint("short", step: 27).path)
    try run(task, "whole", from: start)
    try run(task, "new", Self.stop, from: start)
    try reopen(task, "new")
    // The same command, though what it began with is gone by now.
    try FileManager.default.removeItem(at: task.run("short"))
    let results = try run(task, "new", from: start)
    #expect(try RunFolder(task.run("new")).steps() == RunFolder(task.run("whole")).steps())
    #expect(results.initialCheckpoint?.step == 27)
  }

  @Test func anotherOriginIsADifference() throws {
    let task = try SmallTask()
    try run(task, "short", Self.stop + ["checkpoint.every_steps=8"])
    try run(task, "new", Self.stop, from: StartingState(initialCheckpoint: task.checkpoint("short", step: 27).path))
    try reopen(task, "new")
    let other = StartingState(initialCheckpoint: task.checkpoint("short", step: 24).path)
    let failure = try #require(throws: Failure.self) { try run(task, "new", from: other) }
    #expect(failure.status == .usage && failure.problem.contains("--init-from was"), "\(failure)")
  }

  @Test func parametersOfOtherBaseWeightsAreRefused() throws {
    let task = try SmallTask()
    try run(task, "short", Self.stop)
    let weights = task.model.appendingPathComponent("model.safetensors")
    var bytes = try Data(contentsOf: weights)
    bytes[bytes.count - 3] ^= 1
    try bytes.write(to: weights)
    let start = StartingState(initialCheckpoint: task.checkpoint("short", step: 27).path)
    let failure = try #require(throws: Failure.self) { try run(task, "new", from: start) }
    #expect(failure.status == .badData && failure.problem.contains("training began with other weights"), "\(failure)")
  }

  @Test(arguments: [
    ("runs/nowhere", "a folder that does not exist"), ("runs/short", "names a run, not one of its checkpoints"),
  ])
  func aPathToNoCheckpointIsFoundBeforeAnythingIsWritten(path: String, words: String) throws {
    let task = try SmallTask()
    try run(task, "short", Self.stop)
    let place = task.folder.appendingPathComponent(path).path
    for start in [StartingState(.checkpoint(path: place)), StartingState(initialCheckpoint: place)] {
      let failure = try #require(throws: Failure.self) { try run(task, "new", from: start) }
      #expect(failure.status == .missingInput && failure.problem.contains(words), "\(failure)")
      #expect(!FileManager.default.fileExists(atPath: task.run("new").path))
    }
  }

  /// Makes a finished run look as if it had been killed at its end.
  private func reopen(_ task: SmallTask, _ name: String) throws {
    for file in ["COMPLETED", "model"] {
      try FileManager.default.removeItem(at: task.run(name).appendingPathComponent(file))
    }
  }

  private func checkpoint(_ task: SmallTask, step: Int) -> StartingState {
    StartingState(.checkpoint(path: task.checkpoint("short", step: step).path))
  }

  @discardableResult
  private func run(
    _ task: SmallTask, _ name: String, _ settings: [String] = [], from start: StartingState = StartingState(.never),
    ranks: Int = 1, log: @escaping @Sendable (String) -> Void = { _ in }
  ) throws -> RunResults {
    try LoopbackRunTests.run(task, name, settings, from: start, ranks: ranks, log: log)[0]
  }
}
