import Kernels
import Tensors

extension CLIP {
  /// Projected image features `[images, embedding]`, not normalised, of normalised pixels `[images, 3, size, size]`.
  ///
  /// The result is cut from the arena.
  public func imageFeatures(_ pixels: Tensor, arena: Arena, by product: some MatrixProduct) -> Tensor {
    let layout = imageEmbedding.layout(count: pixels.shape[0])
    let x = arena.tensor([layout.tokenCount, imageTower.width])
    imageEmbedding.forward(pixels, into: x, arena: arena, by: product)
    return imageTower.features(x, layout, from: 0, arena: arena, by: product)
  }

  /// Class tokens `[images, width]` after the last norm, before the projection, of normalised pixels
  /// `[images, 3, size, size]`.
  ///
  /// The result is cut from the arena.
  public func pooledImageFeatures(_ pixels: Tensor, arena: Arena, by product: some MatrixProduct) -> Tensor {
    let layout = imageEmbedding.layout(count: pixels.shape[0])
    let x = arena.tensor([layout.tokenCount, imageTower.width])
    imageEmbedding.forward(pixels, into: x, arena: arena, by: product)
    return imageTower.pooled(x, layout, arena: arena, by: product)
  }

  /// Projected text features `[prompts, embedding]`, not normalised, of token ids that end with the end token.
  ///
  /// The result is cut from the arena.
  public func textFeatures(_ prompts: [[Int32]], arena: Arena, by product: some MatrixProduct) -> Tensor {
    let layout = textEmbedding.layout(prompts)
    let x = arena.tensor([layout.tokenCount, textTower.width])
    textEmbedding.forward(prompts, layout, into: x)
    return textTower.features(x, layout, from: 0, arena: arena, by: product)
  }
}
