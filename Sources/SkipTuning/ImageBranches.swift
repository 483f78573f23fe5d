import CLIPModel
import Kernels
import Tensors

/// The image encoder, trained from a block on.
struct TrainedImageTower: ImageBranch {
  let tower: Tower
  let startLayer: Int
  let gradients: TowerParameters

  func forward(
    _ images: PrefixFeatures, arena: Arena, by product: some MatrixProduct, exchange: some BatchExchange
  ) throws -> BranchPass {
    let pass = try tower.forward(
      images.values, images.layout, from: startLayer, arena: arena, by: product
    ) { try exchange.willUse(.image, layer: $0) }
    return BranchPass(features: pass.features) { dFeatures in
      try tower.backward(dFeatures, pass, gradients: gradients, arena: arena, by: product) {
        try exchange.gradientsReady(.image, layer: $0)
      }
    }
  }
}

/// The whole image encoder, trained from pixels on.
struct TrainedImageEncoder: ImageBranch {
  let model: CLIP
  let gradients: TowerParameters
  let embeddingGradients: ImageEmbedding

  init(_ model: CLIP, _ gradients: ParameterStore) {
    self.model = model
    self.gradients = TowerParameters(gradients, .image, depth: model.imageTower.depth)
    embeddingGradients = ImageEmbedding(gradients, model.configuration)
  }

  func forward(
    _ images: PrefixFeatures, arena: Arena, by product: some MatrixProduct, exchange: some BatchExchange
  ) throws -> BranchPass {
    let size = model.configuration.imageSize
    try exchange.willUse(.image, layer: ParameterLayout.embeddingLayer)
    let (x, tape) = model.imageEmbedding.forward(
      images.values.reshaped([images.layout.count, 3, size, size]), arena: arena, by: product)
    let pass = try model.imageTower.forward(
      x, model.imageEmbedding.layout(count: images.layout.count), from: 0, arena: arena, by: product
    ) { try exchange.willUse(.image, layer: $0) }
    return BranchPass(features: pass.features) { dFeatures in
      let dx = try model.imageTower.backward(dFeatures, pass, gradients: gradients, arena: arena, by: product) {
        try exchange.gradientsReady(.image, layer: $0)
      }
      model.imageEmbedding.backward(dx, tape, gradients: embeddingGradients, arena: arena, by: product)
      try exchange.gradientsReady(.image, layer: ParameterLayout.embeddingLayer)
    }
  }
}

/// Features of a frozen image encoder, as the step gets them.
struct FrozenImages: ImageBranch {
  func forward(
    _ images: PrefixFeatures, arena: Arena, by product: some MatrixProduct, exchange: some BatchExchange
  ) -> BranchPass {
    BranchPass(features: images.values) { _ in }
  }
}
