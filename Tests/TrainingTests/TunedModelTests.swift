import CLIPModel
import Diagnostics
import Foundation
import TestSupport
import Testing

@testable import Training

@Suite struct TunedModelTests {
  /// Caches of models hold links relative to their folder; copied as they are they would lead nowhere.
  @Test func theFolderIsWholeAndHoldsTheContentOfLinks() throws {
    let files = FileManager.default
    let folder = files.temporaryDirectory.appendingPathComponent("tuned-\(UUID().uuidString)")
    defer { try? files.removeItem(at: folder) }
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
    try TunedModel(model, base: base).write(to: target)
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
    let again = try #require(throws: Failure.self) { try TunedModel(model, base: base).write(to: target) }
    #expect(again.status == .cannotCreate && again.place == target.path)
  }
}
