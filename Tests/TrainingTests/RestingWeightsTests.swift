import CLIPModel
import Diagnostics
import Foundation
import SkipTuning
import Tensors
import TestSupport
import Testing

@testable import Training

@Suite struct RestingWeightsTests {
  private static let quickstart = Goldens.repositoryRoot.appendingPathComponent("configs/quickstart/model")

  @Test func weightsLeaveMemoryAndComeBackAsTheyWere() throws {
    let file = try WeightsFile(huggingFaceFolder: Self.quickstart)
    let model = try CLIP(file)
    let before = model.parameters.copied()
    let weights = try #require(RestingWeights(file, model, TrainedParameters(of: model, from: 3)))
    let first = model.parameters.layout.trainedRange(of: .text, from: ParameterLayout.embeddingLayer)
    let tokens = model.parameters.values(in: first.lowerBound..<first.lowerBound + 200_000)
    #expect(Self.residentPages(tokens) > 0)
    try weights.keep([.image])
    #expect(Self.residentPages(tokens) == 0)
    let image = model.parameters.layout.trainedRange(of: .image, from: ParameterLayout.embeddingLayer)
    #expect(Self.areEqual(model.parameters.values(in: image), before.values(in: image)))
    // What is trained may change meanwhile, and stays.
    let trained = model.parameters.layout.trainedRange(of: .text, from: 3)
    for store in [model.parameters, before] { store.values(in: trained)[5] = 42 }
    try weights.keep([])
    #expect(Self.areEqual(model.parameters.values(in: trained), before.values(in: trained)))
    try weights.keep(Encoder.allCases)
    #expect(Self.areEqual(model.parameters.values, before.values))
  }

  @Test func aFileThatIsWrittenToIsNoticed() throws {
    try withScratchFolder { folder in
      let source = folder.appendingPathComponent("model")
      try FileManager.default.copyItem(at: Self.quickstart, to: source)
      let file = try WeightsFile(huggingFaceFolder: source)
      let model = try CLIP(file)
      let weights = try #require(RestingWeights(file, model, TrainedParameters(of: model, from: 3)))
      try weights.keep([.image])
      let handle = try FileHandle(forWritingTo: source.appendingPathComponent("model.safetensors"))
      try handle.seekToEnd()
      try handle.seek(toOffset: try handle.offset() - 4)
      try handle.write(contentsOf: [0, 0, 0, 0])
      try handle.close()
      // The image encoder's are in memory still, and stay.
      try weights.keep([])
      let image = model.parameters.layout.trainedRange(of: .image, from: ParameterLayout.embeddingLayer)
      #expect(model.parameters.values(in: image)[0].isFinite)
      let found = try #require(failure { try weights.keep(Encoder.allCases) })
      #expect(found.status == .inputOutput && found.description.contains("was changed"))
    }
  }

  @Test func whatIsTrainedWholeHasNothingToRest() throws {
    let file = try WeightsFile(huggingFaceFolder: Self.quickstart)
    let model = try CLIP(file)
    #expect(RestingWeights(file, model, TrainedParameters(of: model, from: 0, embeddings: true)) == nil)
  }

  private static func areEqual(_ a: Tensor, _ b: Tensor) -> Bool {
    a.count == b.count && memcmp(a.pointer, b.pointer, 4 * a.count) == 0
  }

  /// Pages that lie in the tensor and are in memory.
  private static func residentPages(_ tensor: Tensor) -> Int {
    let page = Int(sysconf(Int32(_SC_PAGESIZE)))
    let start = UnsafeMutableRawPointer(tensor.pointer).alignedUp(toMultipleOf: page)
    let end = UnsafeMutableRawPointer(tensor.pointer + tensor.count).alignedDown(toMultipleOf: page)
    var states = [UInt8](repeating: 0, count: (end - start) / page)
    mincore(start, end - start, &states)
    return states.count { $0 & 1 == 1 }
  }
}
