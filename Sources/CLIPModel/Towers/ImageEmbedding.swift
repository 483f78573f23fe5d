import Kernels
import Tensors

/// From pixels to the features that enter the first image block: patches, class token, positions, norm.
public struct ImageEmbedding: Sendable {
  let patchWeight: Tensor  // [w, 3 * patch * patch]
  let classToken: Tensor  // [w]
  let positions: Tensor  // [tokens, w]
  let norm: AffineParameters
  let epsilon: Float

  /// Edge of the square images, in pixels.
  public let imageSize: Int
  /// Edge of a patch, in pixels.
  public let patchSize: Int

  init(_ store: ParameterStore, _ configuration: CLIPConfiguration) {
    let name = "vision_model.embeddings"
    let patches = store.required("\(name).patch_embedding.weight")
    patchWeight = patches.reshaped([patches.shape[0], patches.count / patches.shape[0]])
    classToken = store.required("\(name).class_embedding")
    positions = store.required("\(name).position_embedding.weight")
    norm = AffineParameters(store, "vision_model.pre_layrnorm")
    epsilon = configuration.layerNormEpsilon
    imageSize = configuration.imageSize
    patchSize = configuration.patchSize
  }

  /// Patches along one edge; pixels beyond the last whole patch are ignored, as a strided convolution does.
  var gridSize: Int { imageSize / patchSize }

  /// Tokens of one image: the class token and one per patch.
  public var tokenCount: Int { 1 + gridSize * gridSize }

  /// The layout of `count` images.
  public func layout(count: Int) -> SequenceLayout { SequenceLayout(count: count, length: tokenCount) }

  /// Writes `x [images * tokens, w]` from normalised pixels `[images, 3, size, size]`.
  public func forward(_ pixels: Tensor, into x: Tensor, arena: Arena, by product: some MatrixProduct) {
    let imageCount = pixels.shape[0]
    let width = classToken.count
    precondition(pixels.shape == [imageCount, 3, imageSize, imageSize] && x.shape == [imageCount * tokenCount, width])
    arena.scoped {
      let columns = arena.tensor([imageCount * (tokenCount - 1), patchWeight.columnCount])
      gatherPatches(pixels, into: columns)
      let patches = arena.tensor([columns.rowCount, width])
      Linear.forward(
        product.operand(columns, arena), weight: product.operand(patchWeight, arena), bias: nil, into: Operand(patches),
        by: product)
      for image in 0..<imageCount {
        let rows = x.rows(image * tokenCount..<(image + 1) * tokenCount)
        rows.row(0).copy(from: classToken)
        rows.rows(1..<tokenCount).copy(from: patches.rows(image * (tokenCount - 1)..<(image + 1) * (tokenCount - 1)))
        ElementWise.add(positions, to: rows)
      }
      LayerNorm.forward(
        x, weight: norm.weight, bias: norm.bias, epsilon: epsilon, into: x,
        LayerNorm.Statistics(rows: x.rowCount, in: arena))
    }
  }

  /// Each patch as a row `[3 * patch * patch]`, channel by channel, so that the convolution is a product.
  private func gatherPatches(_ pixels: Tensor, into columns: Tensor) {
    var target = columns.pointer
    for image in 0..<pixels.shape[0] {
      for gridRow in 0..<gridSize {
        for gridColumn in 0..<gridSize {
          for line in 0..<3 * patchSize {
            let (channel, row) = line.quotientAndRemainder(dividingBy: patchSize)
            let y = (image * 3 + channel) * imageSize + gridRow * patchSize + row
            target.update(from: pixels.pointer + y * imageSize + gridColumn * patchSize, count: patchSize)
            target += patchSize
          }
        }
      }
    }
  }
}
