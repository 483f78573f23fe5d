import TestSupport
import Testing

@testable import CLIPModel

@Suite struct ParameterTests {
  /// ViT-B/16: the counts that docs/method.md gives.
  static let configuration = CLIPConfiguration(
    vision: .init(depth: 12, width: 768, headCount: 12, mlpWidth: 3072), imageSize: 224, patchSize: 16,
    text: .init(depth: 12, width: 512, headCount: 8, mlpWidth: 2048), contextLength: 77, vocabularySize: 49408,
    embeddingWidth: 512, activation: .quickGELU, eosTokenID: 49407)

  @Test func viTB16HasThePublishedNumberOfParameters() {
    let layout = ParameterLayout(Self.configuration)
    #expect(layout.count == 149_620_737)
    let trained = Encoder.allCases.map { layout.trainedRange(of: $0, from: 6).count }
    #expect(trained.reduce(0, +) == 62_099_456)
  }

  @Test func slotsCoverTheFlatOrderWithoutGaps() {
    let layout = ParameterLayout(Self.configuration)
    var end = 0
    for slot in layout.slots {
      #expect(slot.range.lowerBound == end)
      end = slot.range.upperBound
    }
    #expect(end == layout.count)
  }

  @Test func aStoreOfWindowsSharesItsValues() throws {
    let model = try CLIP(huggingFaceFolder: Goldens.url("towers/model-gelu"))
    let layout = model.parameters.layout
    let store = ParameterStore(layout, windows: Encoder.allCases.map { layout.trainedRange(of: $0, from: 1) })
    #expect(store["vision_model.encoder.layers.0.mlp.fc1.weight"] == nil)
    let bias = try #require(store["text_model.encoder.layers.1.mlp.fc1.bias"])
    bias[3] = 7
    #expect(store.values.array.reduce(0, +) == 7)
    let views = TowerParameters(store, .text, depth: 2, from: 1)
    #expect(views.block(1).expansion.bias[3] == 7)
    #expect(
      store.slots.allSatisfy {
        $0.name.contains("layers.1.") || $0.name.contains("layers.2.") || !$0.name.contains("layers")
      })
  }

  @Test func queryKeyAndValueAreOneMatrix() throws {
    let model = try CLIP(huggingFaceFolder: Goldens.url("towers/model"))
    let fused = BlockParameters(model.parameters, .image, layer: 3).qkv
    let name = "vision_model.encoder.layers.3.self_attn"
    let parts = ["q", "k", "v"].map { model.parameters["\(name).\($0)_proj.weight"]! }
    #expect(fused.weight.array == parts.flatMap(\.array))
    #expect(fused.bias.array == ["q", "k", "v"].flatMap { model.parameters["\(name).\($0)_proj.bias"]!.array })
  }
}
