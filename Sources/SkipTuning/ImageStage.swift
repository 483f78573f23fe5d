import CLIPModel
import Kernels
import Tensors

/// How far images go through the frozen part of the image encoder before training sees them.
public enum ImageStage: Sendable, Equatable {
  /// Nowhere: normalised pixels.
  case pixels
  /// To the features that enter a block.
  case block(Int)
  /// To the class token after all blocks and the last norm, which the projection would be applied to.
  case pooled
  /// To the projected image feature, not normalised.
  case projected
}

extension CLIP {
  /// Blocks of the image encoder that are done before a stage.
  public func frozenImageBlocks(before stage: ImageStage) -> Int {
    switch stage {
    case .pixels: 0
    case .block(let layer): layer
    case .pooled, .projected: imageTower.depth
    }
  }

  /// How `count` images lie at a stage: rows of each, and nothing that is shared.
  public func imageLayout(count: Int, at stage: ImageStage) -> SequenceLayout {
    switch stage {
    case .pixels: SequenceLayout(count: count, length: 3 * configuration.imageSize)
    case .block(let layer): imagePrefixLayout(count: count, upTo: layer)
    case .pooled, .projected: SequenceLayout(count: count, length: 1)
    }
  }

  /// Elements of a row there: of a line of pixels, a token, or a feature.
  public func imageColumns(at stage: ImageStage) -> Int {
    switch stage {
    case .pixels: configuration.imageSize
    case .block, .pooled: imageTower.width
    case .projected: configuration.embeddingWidth
    }
  }

  /// Takes normalised pixels `[images, 3, size, size]` to a stage, written to `x`, which has the rows of `imageLayout`.
  public func imageInputs(
    _ pixels: Tensor, into x: Tensor, at stage: ImageStage, arena: Arena, by product: some MatrixProduct
  ) {
    switch stage {
    case .pixels: x.copy(from: pixels)
    case .block(let layer): imagePrefix(pixels, into: x, upTo: layer, arena: arena, by: product)
    case .pooled: arena.scoped { x.copy(from: pooledImageFeatures(pixels, arena: arena, by: product)) }
    case .projected: arena.scoped { x.copy(from: imageFeatures(pixels, arena: arena, by: product)) }
    }
  }
}

extension CLIP {
  /// Takes features `x` that enter block `layer`, which are overwritten, on to a stage behind it, written to `target`, which
  /// has the rows of `imageLayout`: to the bit what `imageInputs` makes of the images' pixels.
  public func imageInputs(
    continuing x: Tensor, images count: Int, from layer: Int, into target: Tensor, at stage: ImageStage, arena: Arena,
    by product: some MatrixProduct
  ) {
    let layout = imagePrefixLayout(count: count, upTo: layer)
    arena.scoped {
      switch stage {
      case .pixels: preconditionFailure("pixels lie before all blocks")
      case .block(let last):
        target.copy(
          from: imageTower.prefix(x, layout, from: layer, upTo: last, arena: arena, by: product).values)
      case .pooled: target.copy(from: imageTower.pooled(x, layout, from: layer, arena: arena, by: product))
      case .projected: target.copy(from: imageTower.features(x, layout, from: layer, arena: arena, by: product))
      }
    }
  }

  /// Projected image features `[images, embedding]`, not normalised, of what `imageInputs` made at a stage, which is
  /// overwritten.
  ///
  /// The result is cut from the arena, or is `x` itself. Traps for class tokens after the last norm.
  public func imageFeatures(
    of x: Tensor, images count: Int, at stage: ImageStage, arena: Arena, by product: some MatrixProduct
  ) -> Tensor {
    switch stage {
    case .pixels:
      imageFeatures(
        x.reshaped([count, 3, configuration.imageSize, configuration.imageSize]), arena: arena, by: product)
    case .block(let layer):
      imageTower.features(x, imagePrefixLayout(count: count, upTo: layer), from: layer, arena: arena, by: product)
    case .pooled: preconditionFailure("the last norm is done, the projection alone is not")
    case .projected: x
    }
  }
}
