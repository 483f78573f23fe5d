import CLIPModel
import Kernels
import MatrixBackends
import SkipTuning
import Tensors
import TestSupport
import Testing

/// Prompts packed into a prefix tree against the same prompts with rows of their own, the flat computation.
@Suite struct PrefixTreeTests {
  static let product = MachineProduct(threads: 2)

  /// Prompts that begin alike, as all prompts of a template do; two are equal, and one ends where others go on.
  static func prompts(endToken: Int32) -> [[Int32]] {
    let names: [[Int32]] = [[11], [11, 12], [13], [13, 14, 15], [13, 14], [16], [11], [17, 18, 19, 20]]
    return names.map { [2, 3, 4, 5] + $0 + [6, endToken] } + [[2, 3, endToken]]
  }

  /// What one path through the text tower makes of some of the prompts.
  struct Result {
    let features: Tensor
    let gradients: ParameterStore
    let rows: Int
  }

  static func run(_ model: CLIP, startLayer: Int, _ kept: [Int], _ layout: SequenceLayout) throws -> Result {
    let prompts = prompts(endToken: Int32(model.configuration.vocabularySize - 1))
    let (tower, arena) = (model.textTower, Arena())
    let x = Tensor(uninitialized: [layout.tokenCount, tower.width])
    model.textEmbedding.forward(prompts, layout, into: x)
    tower.extract(x, layout, layers: 0..<startLayer, arena: arena, by: product)
    let inputs = PrefixFeatures(x, layout).gathered(kept, in: arena)
    let pass = try tower.forward(inputs.values, inputs.layout, from: startLayer, arena: arena, by: product)
    let trained = TrainedParameters(of: model, from: startLayer)
    let gradients = trained.makeStore(model.parameters.layout)
    try tower.backward(
      normalTensor(pass.features.shape, seed: 7), pass,
      gradients: TowerParameters(gradients, .text, depth: tower.depth, from: startLayer), arena: arena, by: product)
    return Result(features: pass.features.copied(), gradients: gradients, rows: inputs.layout.tokenCount)
  }

  @Test(arguments: [0, 1, 6, 11, 12]) func treeMatchesFlatPrompts(startLayer: Int) throws {
    let model = try CLIP(huggingFaceFolder: Goldens.url("towers/model"))
    let prompts = Self.prompts(endToken: Int32(model.configuration.vocabularySize - 1))
    let kept = [0, 1, 3, 4, 6, 8]
    let tree = try Self.run(model, startLayer: startLayer, kept, model.textEmbedding.layout(prompts))
    let flat = try Self.run(model, startLayer: startLayer, kept, SequenceLayout(lengths: prompts.map(\.count)))
    #expect(flat.rows == kept.reduce(0) { $0 + prompts[$1].count })
    #expect(relativeError(tree.features, flat.features) < 1e-6)
    for slot in tree.gradients.slots where slot.name.hasPrefix("text") && !slot.name.hasSuffix("k_proj.bias") {
      #expect(relativeError(tree.gradients[slot.name]!, flat.gradients[slot.name]!) < 1e-5, "\(slot.name)")
    }
  }

  /// Shares of the kept classes add up to all of them: how ranks divide the text side.
  @Test func sharesOfTheClassesAddUp() throws {
    let model = try CLIP(huggingFaceFolder: Goldens.url("towers/model"))
    let prompts = Self.prompts(endToken: Int32(model.configuration.vocabularySize - 1))
    let layout = model.textEmbedding.layout(prompts)
    let whole = try Self.run(model, startLayer: 6, Array(prompts.indices), layout)
    var start = 0
    for share in [[0, 1, 2], [3, 4, 5, 6], [7], [8]] {
      let part = try Self.run(model, startLayer: 6, share, layout)
      #expect(relativeError(part.features, whole.features.rows(start..<start + share.count)) < 1e-6)
      start += share.count
    }
  }
}
