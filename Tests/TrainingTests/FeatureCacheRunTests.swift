import Collectives
import Diagnostics
import FeatureCache
import Foundation
import Synchronization
import TestSupport
import Testing

@testable import Training

/// Whole runs with kept features: what they compute must not depend on what was kept, by whom, or how it is damaged.
@Suite struct FeatureCacheRunTests {
  private let task: SmallTask
  private var cache: URL { task.folder.appendingPathComponent("cache") }
  private var folder: CacheFolder { CacheFolder(cache, budget: nil) }
  private var cached: [String] { ["features.cache=\(cache.path)"] }

  init() throws { task = try SmallTask() }

  // Tests in several batches; the first of each size is made and compared.
  private static let always = ["evaluate.batch_size=8", "checkpoint.every_epochs=0"]

  @discardableResult
  private func run(
    _ name: String, _ settings: [String], ranks: Int = 1, log: @escaping @Sendable (String) -> Void = { _ in }
  ) throws -> RunResults {
    try LoopbackRunTests.run(
      task, name, Self.always + settings, from: StartingState(.never), ranks: ranks, log: log)[0]
  }

  private func expectEqual(_ name: String, _ truth: String, _ note: Comment? = nil) throws {
    let (run, other) = (RunFolder(task.run(name)), RunFolder(task.run(truth)))
    #expect(try run.steps() == other.steps(), note)
    let weights = "model/model.safetensors"
    #expect(
      try Data(contentsOf: task.run(name).appendingPathComponent(weights))
        == Data(contentsOf: task.run(truth).appendingPathComponent(weights)), note)
    let tests = try task.run(name).appendingPathComponent("tests").contents()
    #expect(try !tests.isEmpty && tests == task.run(truth).appendingPathComponent("tests").contents(), note)
  }

  @Test func aWarmCacheIsReadAndChangesNothing() throws {
    let plain = try run("plain", [])
    let cold = try run("cold", cached)
    let warm = try run("warm", cached)
    #expect(plain.keptFeatures?.training.total == 0 && plain.keptFeatures?.tests == counts(40, 60))
    // 80 images in each of 3 epochs; 50 in each of 2 tests, of which the second finds what the first kept: but for a batch of
    // 8 and one of 2, which are made for comparison.
    #expect(cold.keptFeatures == KeptFeatureCounts(training: counts(0, 240), tests: counts(40, 60)))
    #expect(warm.keptFeatures == KeptFeatureCounts(training: counts(224, 16), tests: counts(90, 10)))
    try expectEqual("cold", "plain")
    try expectEqual("warm", "plain")
    #expect(cold.tuned == plain.tuned && warm.tuned == plain.tuned && warm.zeroShot == plain.zeroShot)
    #expect(folder.list().count == 4 && folder.list().allSatisfy { $0.present == $0.description.count })
  }

  private func counts(_ read: Int64, _ made: Int64, continued: Int64 = 0) -> FeatureCounts {
    FeatureCounts(read: read, continued: continued, made: made)
  }

  @Test func ranksShareWhatOtherNumbersOfRanksKept() throws {
    for ranks in 1...4 { try run("plain-\(ranks)", [], ranks: ranks) }
    // Entries are made by some ranks and found by others, in both directions.
    for (index, ranks) in [3, 1, 2, 4, 3].enumerated() {
      let result = try run("kept-\(index)", cached, ranks: ranks)
      try expectEqual("kept-\(index)", "plain-\(ranks)", "\(ranks) ranks, run \(index)")
      #expect(folder.list().count == 4)
      if index == 4 { #expect(try #require(result.keptFeatures?.training.read) > 0) }
    }
  }

  @Test func aDeeperStageBeginsWhereAShallowerOneEnds() throws {
    for layer in [2, 7, 12] { try run("plain-\(layer)", ["method.start_layer=\(layer)"]) }
    for storage in ["bf16", "fp16"] {
      try run("plain-\(storage)", ["method.start_layer=7", "features.storage=\(storage)"])
    }
    try run("two", cached + ["method.start_layer=2"])
    let seven = try run("seven", cached + ["method.start_layer=7"])
    #expect(
      seven.keptFeatures
        == KeptFeatureCounts(
          training: counts(0, 16, continued: 224), tests: counts(40, 20, continued: 40)))
    try expectEqual("seven", "plain-7")
    // Rounded features are no place to go on from, but may be made from ones that are not.
    let narrow = try run("bf16", cached + ["method.start_layer=7", "features.storage=bf16"])
    #expect(narrow.keptFeatures?.training == counts(0, 16, continued: 224))
    try expectEqual("bf16", "plain-bf16")
    #expect(
      try run("again", cached + ["method.start_layer=7", "features.storage=bf16"]).keptFeatures?.training
        == counts(224, 16))
    try expectEqual("again", "plain-bf16")
    try run("fp16", cached + ["method.start_layer=7", "features.storage=fp16"])
    try expectEqual("fp16", "plain-fp16")
    let twelve = try run("twelve", cached + ["method.start_layer=12"])
    #expect(try #require(twelve.keptFeatures?.training.continued) == 224)
    try expectEqual("twelve", "plain-12")
  }

  @Test(arguments: ["adapter", "linear-probe", "prompt-tuning", "full", "zero-shot"])
  func everyMethodKeepsItsOwn(kind: String) throws {
    let method = ["method.kind=\(kind)", "optim.epochs=2", "output.save_model=false"]
    let plain = try run("plain", method)
    for name in ["cold", "warm"] {
      let result = try run(name, method + cached)
      #expect(result.tuned == plain.tuned && result.zeroShot == plain.zeroShot)
      #expect(result.training.finalLoss == plain.training.finalLoss)
      if kind != "zero-shot" {
        #expect(try RunFolder(task.run(name)).steps() == RunFolder(task.run("plain")).steps())
      }
      if name == "warm", kind != "full" { #expect(try #require(result.keptFeatures?.tests.read) >= 40) }
    }
  }

  @Test func viewsThatRepeatAreMadeOnce() throws {
    let settings = ["augment.enabled=false"]
    try run("plain", settings)
    let result = try run("kept", settings + cached)
    #expect(result.keptFeatures?.training == counts(144, 96))
    try expectEqual("kept", "plain")
    #expect(folder.list().count == 2)
  }

  @Test func damageIsSaidOnceAndMadeAnew() throws {
    try run("plain", [])
    try run("cold", cached)
    let files = try FileManager.default.contentsOfDirectory(at: cache, includingPropertiesForKeys: nil)
      .filter { $0.pathExtension == "features" }.sorted { $0.path < $1.path }
    for (index, file) in files.enumerated() {
      var bytes = try Data(contentsOf: file)
      switch index {
      case 0: bytes = bytes.prefix(bytes.count / 2)  // cut
      case 1: bytes[17] ^= 1  // another version
      default: for place in stride(from: 9000, to: bytes.count, by: 5000) { bytes[place] ^= 4 }
      }
      try bytes.write(to: file)
    }
    let lines = Mutex<[String]>([])
    try run("damaged", cached) { line in lines.withLock { $0.append(line) } }
    try expectEqual("damaged", "plain")
    let warnings = lines.withLock { $0.filter { $0.contains("features.cache") } }
    #expect(Set(warnings).count == warnings.count && (3...4).contains(warnings.count), "\(warnings)")
    #expect(warnings.allSatisfy { $0.contains("damaged") })
    // What was damaged is whole again.
    let warm = try run("warm", cached) { line in
      if line.contains("features.cache") { Issue.record("\(line)") }
    }
    #expect(warm.keptFeatures?.training == counts(224, 16))
    try expectEqual("warm", "plain")
  }

  @Test func aChangedImageIsAnotherEntry() throws {
    try run("cold", cached)
    let image = task.image("train", label: 3, number: 2)
    let other = try Data(contentsOf: task.image("train", label: 4, number: 1))
    let date = try FileManager.default.attributesOfItem(atPath: image.path)[.modificationDate]!
    try other.write(to: image)
    try FileManager.default.setAttributes([.modificationDate: date], ofItemAtPath: image.path)
    try run("plain", [])
    #expect(try run("kept", cached).keptFeatures?.training == counts(0, 240))
    try expectEqual("kept", "plain")
  }

  /// Bytes that are whole but not what this run would have computed, as those of another machine may be: in all entries,
  /// or in one among others that this machine made.
  @Test(arguments: ["", "epoch 3"]) func otherRoundingIsFoundOut(part: String) throws {
    try run("plain", [])
    try run("cold", cached)
    for listed in folder.list() where part.isEmpty || listed.description.words.contains(part) {
      let entry = try folder.entry(listed.description) { Issue.record("\($0)") }
      try roundOtherwise(entry)
    }
    let lines = Mutex<[String]>([])
    let result = try run("kept", cached) { line in lines.withLock { $0.append(line) } }
    let read: Int64 = part.isEmpty ? 0 : 64 + 80
    #expect(result.keptFeatures?.training == counts(read, 240 - read))
    #expect(result.keptFeatures?.tests == (part.isEmpty ? counts(0, 100) : counts(40, 60)))
    #expect(lines.withLock { $0.count { $0.contains("rounded otherwise") } } == 1)
    try expectEqual("kept", "plain")
  }

  /// Another maker's features, of which each image's second number is the next one.
  private func roundOtherwise(_ entry: FeatureEntry) throws {
    var bytes = [UInt8](repeating: 0, count: entry.description.bytesPerImage)
    for image in 0..<entry.description.count {
      let content = try bytes.withUnsafeMutableBytes { try entry.read(image, into: $0) }
      guard case .whole = content else { throw Failure(.internalError, "image \(image) is \(content)") }
      bytes[4] ^= 1
      try bytes.withUnsafeBytes { try entry.write(image, $0, maker: 99) }
    }
  }

  @Test func aSmallBudgetIsSaidOnce() throws {
    try run("plain", [])
    // Room for the test images and one epoch.
    let size = folder.list().reduce(0) { $0 + $1.description.fileSize }
    #expect(size == 0)
    try run("cold", cached)
    let epoch = try #require(folder.list().map(\.description.fileSize).max())
    for (name, budget) in [("none", 1000), ("some", epoch + epoch / 2)] {
      _ = try folder.clear()
      let lines = Mutex<[String]>([])
      let settings = cached + ["features.cache_mb=\(Double(budget) / 1e6)"]
      try run(name, settings) { line in lines.withLock { $0.append(line) } }
      try expectEqual(name, "plain")
      #expect(folder.list().reduce(0) { $0 + $1.description.fileSize } <= budget)
      let warnings = lines.withLock { $0.filter { $0.contains("features.cache_mb is spent") } }
      #expect((1...2).contains(warnings.count), "\(warnings)")
    }
  }

  @Test func twoRunsFillOneCacheAtOnce() throws {
    try run("plain", [])
    let failures = Mutex<[String]>([])
    DispatchQueue.concurrentPerform(iterations: 3) { index in
      do { try run("run-\(index)", cached, ranks: 1 + index % 2) } catch {
        failures.withLock { $0.append("\(error)") }
      }
    }
    #expect(failures.withLock { $0 } == [])
    try run("plain-2", [], ranks: 2)
    for index in 0..<3 { try expectEqual("run-\(index)", index % 2 == 0 ? "plain" : "plain-2", "run \(index)") }
    #expect(folder.list().count == 4 && folder.list().allSatisfy { $0.present == $0.description.count })
  }

  /// Without a cache: the test after training begins where the test before it ended, and nothing stays on the disk.
  @Test func aRunKeepsFeaturesOfTestImages() throws {
    let scratch = task.folder.appendingPathComponent("scratch")
    try FileManager.default.createDirectory(at: scratch, withIntermediateDirectories: true)
    let place = ["features.folder=\(scratch.path)"]
    for ranks in 1...3 {
      let result = try run("twice-\(ranks)", place, ranks: ranks)
      let once = try run("once-\(ranks)", place + ["evaluate.zero_shot=false"], ranks: ranks)
      #expect(once.keptFeatures == nil && once.tuned == result.tuned)
      if ranks == 1 { #expect(result.keptFeatures == KeptFeatureCounts(training: counts(0, 0), tests: counts(40, 60))) }
      #expect(try FileManager.default.contentsOfDirectory(atPath: scratch.path) == [])
    }
    // A folder that takes no file is no reason to fail: features of tests are then made twice.
    let nowhere = try run("nowhere", ["features.folder=\(task.folder.path)/nowhere"], ranks: 2)
    #expect(nowhere.keptFeatures == nil)
  }

  @Test func evaluationsOfCheckpointsBeginAtTheStartLayer() throws {
    let settings = ["evaluate.every_epochs=1", "checkpoint.every_epochs=1", "evaluate.zero_shot=false"]
    let made = try run("made", settings + ["features.folder=\(task.folder.path)/nowhere"])
    let kept = try run("kept", settings)
    try expectEqual("kept", "made")
    #expect(made.keptFeatures == nil && kept.evaluations?.count == 3)
    #expect(kept.evaluations?.map(\.tests) == made.evaluations?.map(\.tests))
    // The first of three evaluations makes all features, later ones and the test at the end a batch of each size.
    #expect(kept.keptFeatures?.tests == counts(140, 60))
    let cold = try run("cold", settings + cached, ranks: 2)
    let warm = try run("warm", settings + cached, ranks: 2)
    #expect(cold.evaluations?.map(\.tests) == warm.evaluations?.map(\.tests))
    #expect(try #require(warm.keptFeatures?.tests.read) >= 160)
  }

  @Test func hostsHaveTheirOwnScratch() throws {
    try run("plain", [], ranks: 3)
    try LoopbackRunTests.run(task, "hosts", nodes: [0, 0, 1], Self.always)
    #expect(try RunFolder(task.run("hosts")).distance(to: RunFolder(task.run("plain")))?.stepsWithOtherClasses == 0)
  }
}
