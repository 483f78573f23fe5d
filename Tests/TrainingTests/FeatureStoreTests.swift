import CLIPModel
import Collectives
import Configuration
import Diagnostics
import Foundation
import Kernels
import Tensors
import TestSupport
import Testing

@testable import Training

/// Features in memory, in a file, in 16 bits: alone and in whole runs.
@Suite struct FeatureStoreTests {
  @Test(arguments: StoragePrecision.allCases) func whatIsWrittenIsReadWhereverItLies(precision: StoragePrecision) throws
  {
    let task = try SmallTask()
    let model = try CLIP(huggingFaceFolder: task.model)
    let elements = FeatureStore.elementsPerImage(model, at: .block(6))
    let values = Tensor((0..<11 * elements).map { Float(($0 * 7919) % 2003 - 1000) / 977 })
      .reshaped([11 * elements / model.imageTower.width, model.imageTower.width])
    for images in [nil, 0, 1, 4, 10, 11, 100] as [Int?] {
      let store = try FeatureStore(
        count: 11, model, at: .block(6),
        settings(task, precision, memory: images.map { Double($0 * elements * precision.byteCount) / 1e6 }))
      let rows = elements / model.imageTower.width
      for part in [0..<3, 3..<9, 9..<11] {
        try store.write(values.rows(part.lowerBound * rows..<part.upperBound * rows), of: part)
      }
      for part in [0..<1, 2..<5, 0..<11, 10..<11, 5..<5] {
        let features = try store.features(of: part)
        #expect(features.layout == model.imagePrefixLayout(count: part.count, upTo: 6))
        let truth = values.rows(part.lowerBound * rows..<part.upperBound * rows).array
        #expect(features.values.array == truth.map { rounded($0, precision) })
        features.values.fill(7)  // A step overwrites them.
      }
      #expect(
        try FileManager.default.contentsOfDirectory(atPath: task.folder.path).contains { $0.hasPrefix(".") } == false)
    }
  }

  private func rounded(_ value: Float, _ precision: StoragePrecision) -> Float {
    switch precision {
    case .float32: value
    case .float16: Float(Float16(value))
    case .bfloat16: Float(bitPattern: ((value.bitPattern + 0x7FFF + (value.bitPattern >> 16 & 1)) >> 16) << 16)
    }
  }

  private func settings(_ task: SmallTask, _ precision: StoragePrecision, memory: Double?) throws -> FeatureSettings {
    let source = try ConfigurationSource(
      files: [task.configuration],
      overrides: ["run_dir=none", "features.storage=\(precision.rawValue)", "features.folder=\(task.folder.path)"]
        + (memory.map { ["features.memory_mb=\($0)"] } ?? []))
    return try RunSettings.read(source).settings.features
  }

  @Test func aBudgetChangesNothing() throws {
    let task = try SmallTask()
    try run(task, "memory")
    let folder = "features.folder=\(task.folder.path)"
    for (name, megabytes) in [("file", 0.0), ("both", 0.02)] {
      try run(task, name, ["features.memory_mb=\(megabytes)", folder])
      #expect(try RunFolder(task.run(name)).steps() == (try RunFolder(task.run("memory")).steps()))
      #expect(try weights(task, name) == weights(task, "memory"))
    }
    // A run may go on with another budget.
    let short = ["limits.max_steps=27", "evaluate.tuned=false"]
    try run(task, "short", short)
    let start = StartingState(.checkpoint(path: task.checkpoint("short", step: 27).path))
    try run(task, "rest", ["features.memory_mb=0", folder], from: start)
    #expect(try weights(task, "rest") == weights(task, "memory"))
    let failure = try #require(throws: Failure.self) {
      try run(task, "rounded", ["features.storage=bf16"], from: start)
    }
    #expect(failure.problem.contains("features.storage was fp32 and is now bf16"))
  }

  @Test(arguments: ["fp16", "bf16"]) func roundedFeaturesTrainNearlyTheSame(storage: String) throws {
    let task = try SmallTask()
    try run(task, "exact")
    try run(
      task, "rounded",
      ["features.storage=\(storage)", "features.memory_mb=0.01", "features.folder=\(task.folder.path)"])
    let (exact, rounded) = (try RunFolder(task.run("exact")).steps(), try RunFolder(task.run("rounded")).steps())
    // Features lose 2^-9 (bf16) of their size; a loss depends on them about linearly, and so do the weights' paths.
    for (step, truth) in zip(rounded, exact) { #expect(abs(step.loss / truth.loss - 1) < 0.02, "step \(step.step)") }
    #expect(rounded != exact, "something was rounded")
  }

  @Test func whatDoesNotFitIsAFailureInWords() throws {
    let task = try SmallTask()
    let model = try CLIP(huggingFaceFolder: task.model)
    let store = try FeatureStore(count: 1, model, at: .block(6), settings(task, .float16, memory: nil))
    let large = store.scratch(1)
    large.fill(1e6)
    let lost = try #require(throws: Failure.self) { try store.write(large, of: 0..<1) }
    #expect(lost.status == .badData && lost.remedy == "choose bf16 or fp32")

    let nowhere = try #require(throws: Failure.self) {
      try run(task, "run", ["features.memory_mb=0", "features.folder=\(task.folder.path)/nowhere"])
    }
    #expect(nowhere.status == .cannotCreate && nowhere.place == "\(task.folder.path)/nowhere")

    let onDisk = try settings(task, .float32, memory: 0)
    let full = try #require(throws: Failure.self) {
      try onDisk.judge(images: 1 << 40, ranks: 2, elementsPerImage: 1 << 12)
    }
    #expect(full.status == .inputOutput && full.problem.contains("no room for the features of 2 ranks"))
    let taken = try #require(throws: Failure.self) {
      _ = try FeatureStore(count: 1 << 45, model, at: .block(6), onDisk)
    }
    #expect(taken.status == .inputOutput && taken.problem.contains("no room for the file of features"))
  }

  private func run(
    _ task: SmallTask, _ name: String, _ settings: [String] = [], from start: StartingState = StartingState(.never)
  ) throws {
    try LoopbackRunTests.run(task, name, settings, from: start, ranks: 2)
  }

  private func weights(_ task: SmallTask, _ name: String) throws -> Data {
    try Data(contentsOf: task.run(name).appendingPathComponent("model/model.safetensors"))
  }
}
