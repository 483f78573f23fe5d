import Diagnostics
import Foundation
import Tensors
import TestSupport
import Testing

@testable import CLIPModel

@Suite struct StoredWeightsTests {
  /// Stored as float32 and narrower.
  @Test(arguments: ["model", "model-gelu", "model-gelu-bf16"]) func anyRangeIsAsInMemory(name: String) throws {
    let folder = Goldens.url("towers/\(name)")
    guard FileManager.default.fileExists(atPath: folder.path) else {
      Issue.record("there is no golden \(name)")
      return
    }
    let model = try CLIP(huggingFaceFolder: folder)
    let stored = try StoredWeights(ModelSource(huggingFaceFolder: folder), model.parameters.layout)
    let count = model.parameters.layout.count
    var random = CounterRandom(seed: 3)
    let ends = (0..<40).map { _ in [random.integer(below: count + 1), random.integer(below: count + 1)].sorted() }
    for range in [0..<count, 0..<0, 0..<1, count - 1..<count] + ends.map({ $0[0]..<$0[1] }) {
      let values = Tensor(repeating: 7, shape: [range.count])
      try stored.read(range, into: values.buffer)
      #expect(values.bits == model.parameters.values(in: range).bits)
    }
    #expect(stored.isUnchanged)
  }

  @Test func changesAreSeenAndReplacementsDoNotMatter() throws {
    try withScratchFolder { folder in
      let files = FileManager.default
      let model = folder.appendingPathComponent("model")
      try files.copyItem(at: Goldens.url("towers/model"), to: model)
      let clip = try CLIP(huggingFaceFolder: model)
      let stored = try StoredWeights(ModelSource(huggingFaceFolder: model), clip.parameters.layout)
      let file = model.appendingPathComponent("model.safetensors")
      let bytes = try Data(contentsOf: file)

      try files.moveItem(at: file, to: folder.appendingPathComponent("old"))
      try bytes.prefix(100).write(to: file)
      let values = Tensor(zeros: [10])
      try stored.read(50..<60, into: values.buffer)
      #expect(values.bits == clip.parameters.values(in: 50..<60).bits && stored.isUnchanged)

      let handle = try FileHandle(forWritingTo: folder.appendingPathComponent("old"))
      try handle.seek(toOffset: UInt64(bytes.count - 1))
      try handle.write(contentsOf: [1])
      try handle.close()
      #expect(!stored.isUnchanged)
      #expect(failure { _ = try StoredWeights(ModelSource(huggingFaceFolder: model), clip.parameters.layout) } != nil)
    }
  }
}
