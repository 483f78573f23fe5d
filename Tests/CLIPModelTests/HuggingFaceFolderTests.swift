import Diagnostics
import Foundation
import TestSupport
import Testing

@testable import CLIPModel

@Suite struct HuggingFaceFolderTests {
  /// Caches of models hold links relative to their folder; copied as they are they would lead nowhere.
  @Test func theFolderIsWholeAndHoldsTheContentOfLinks() throws {
    try withScratchFolder { folder in
      let files = FileManager.default
      let base = folder.appendingPathComponent("snapshot")
      try files.createDirectory(at: base, withIntermediateDirectories: true)
      try Data("[1]".utf8).write(to: folder.appendingPathComponent("blob"))
      try #require(symlink("../blob", base.appendingPathComponent("vocab.json").path) == 0)
      let origin = Goldens.url("towers/model")
      try files.copyItem(
        at: origin.appendingPathComponent("config.json"), to: base.appendingPathComponent("config.json"))
      let model = try CLIP(huggingFaceFolder: origin)
      let target = folder.appendingPathComponent("run/model")
      try files.createDirectory(at: target.deletingLastPathComponent(), withIntermediateDirectories: true)
      let write = {
        try HuggingFaceFolder.write(
          model.parameters, model.configuration, tunedFrom: ModelSource(huggingFaceFolder: base), to: target)
      }
      try write()
      let names = try files.subpathsOfDirectory(atPath: target.deletingLastPathComponent().path).sorted()
      #expect(names == ["model", "model/config.json", "model/model.safetensors", "model/vocab.json"])
      let vocabulary = target.appendingPathComponent("vocab.json")
      #expect(try files.attributesOfItem(atPath: vocabulary.path)[.type] as? FileAttributeType == .typeRegular)
      #expect(try Data(contentsOf: vocabulary) == Data("[1]".utf8))
      let read = try CLIP(huggingFaceFolder: target)
      #expect(read.configuration == model.configuration)
      for slot in model.parameters.slots {
        #expect(read.parameters[slot.name]?.array == model.parameters[slot.name]?.array, "\(slot.name)")
      }
      let again = failure(of: write)
      #expect(again?.status == .cannotCreate && again?.place == target.path)
    }
  }

  /// Pieces of every size, fp32 and bf16 files, against the model that is read whole.
  @Test(arguments: ["model-gelu", "model-gelu-bf16"]) func weightsAreReadByRange(model: String) throws {
    let folder = Goldens.url("towers/\(model)")
    let weights = try WeightsFile(huggingFaceFolder: folder)
    let expected = try CLIP(huggingFaceFolder: folder).parameters.values
    #expect(weights.count == expected.count)
    for size in [1 << 20, 10_007, 997] {
      var position = 0
      try weights.forEachPiece(of: 0..<weights.count, size: size) { part, values in
        #expect(part.lowerBound == position)
        #expect(values.bits == expected.slice(part).bits)
        position = part.upperBound
      }
      #expect(position == weights.count)
    }
  }
}
