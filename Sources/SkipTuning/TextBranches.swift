import CLIPModel
import Kernels
import Tensors

/// The text encoder, trained from a block on.
struct TrainedTextTower: TextBranch {
  let tower: Tower
  let startLayer: Int
  /// One prompt per class, as it enters the block.
  let prefix: PrefixFeatures
  let gradients: TowerParameters

  var layers: [Int] { Array(startLayer...tower.depth) }

  func tokenCount(of label: Int) -> Int { prefix.layout.rows(of: label).count }

  func forward(
    _ classes: [Int], arena: Arena, by product: some MatrixProduct, exchange: some BatchExchange
  ) throws -> BranchPass {
    // Each step keeps other classes, whose prompts have a few rows more or less.
    let inputs = prefix.gathered(classes, rowMultiple: product.rowMultiple, in: arena)
    let pass = try tower.forward(inputs.values, inputs.layout, from: startLayer, arena: arena, by: product) {
      try exchange.willUse(.text, layer: $0)
    }
    return BranchPass(features: pass.features) { dFeatures in
      try tower.backward(dFeatures, pass, gradients: gradients, arena: arena, by: product) {
        try exchange.gradientsReady(.text, layer: $0)
      }
    }
  }
}

/// The whole text encoder, trained from tokens on.
struct TrainedTextEncoder: TextBranch {
  let model: CLIP
  /// One per class.
  let prompts: [[Int32]]
  let gradients: TowerParameters
  let embeddingGradients: TextEmbedding

  init(_ model: CLIP, prompts: [[Int32]], _ gradients: ParameterStore) {
    self.model = model
    self.prompts = prompts
    self.gradients = TowerParameters(gradients, .text, depth: model.textTower.depth)
    embeddingGradients = TextEmbedding(gradients)
  }

  var layers: [Int] { Array(ParameterLayout.embeddingLayer...model.textTower.depth) }

  func tokenCount(of label: Int) -> Int { prompts[label].count }

  func forward(
    _ classes: [Int], arena: Arena, by product: some MatrixProduct, exchange: some BatchExchange
  ) throws -> BranchPass {
    let prompts = classes.map { self.prompts[$0] }
    // As in `TrainedTextTower`; idle rows are zeros.
    let layout = model.textEmbedding.layout(prompts)
      .selecting(Array(prompts.indices), rowMultiple: product.rowMultiple).layout
    let x = arena.zeros([layout.tokenCount, model.textTower.width])
    try exchange.willUse(.text, layer: ParameterLayout.embeddingLayer)
    model.textEmbedding.forward(prompts, layout, into: x)
    let pass = try model.textTower.forward(x, layout, from: 0, arena: arena, by: product) {
      try exchange.willUse(.text, layer: $0)
    }
    return BranchPass(features: pass.features) { dFeatures in
      let dx = try model.textTower.backward(dFeatures, pass, gradients: gradients, arena: arena, by: product) {
        try exchange.gradientsReady(.text, layer: $0)
      }
      model.textEmbedding.backward(dx, prompts, layout, gradients: embeddingGradients)
      try exchange.gradientsReady(.text, layer: ParameterLayout.embeddingLayer)
    }
  }
}
