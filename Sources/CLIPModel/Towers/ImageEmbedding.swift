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

  /// What the backward pass needs; valid until the arena is reset.
  public struct Tape {
    let patches: Tensor  // [images * patches, 3 * patch * patch]
    let input: Tensor  // [images * tokens, w], before the norm
    let statistics: LayerNorm.Statistics
  }

  /// Views on a store, which must hold the image encoder's embeddings and first norm: values or gradients.
  public init(_ store: ParameterStore, _ configuration: CLIPConfiguration) {
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
    arena.scoped {
      _ = embed(pixels, into: x, arena: arena, by: product)
      normalize(x, into: x, LayerNorm.Statistics(rows: x.rowCount, in: arena))
    }
  }

  /// The same, `x` and what the backward pass needs cut from the arena.
  public func forward(_ pixels: Tensor, arena: Arena, by product: some MatrixProduct) -> (x: Tensor, tape: Tape) {
    let (input, x) = (arena.tensor(inputShape(pixels)), arena.tensor(inputShape(pixels)))
    let patches = embed(pixels, into: input, arena: arena, by: product)
    let statistics = LayerNorm.Statistics(rows: x.rowCount, in: arena)
    normalize(input, into: x, statistics)
    return (x, Tape(patches: patches, input: input, statistics: statistics))
  }

  /// Writes `gradients`, given `dx [images * tokens, w]`.
  public func backward(
    _ dx: Tensor, _ tape: Tape, gradients: ImageEmbedding, arena: Arena, by product: some MatrixProduct
  ) {
    arena.scoped {
      let dInput = arena.zeros(tape.input.shape)
      LayerNorm.backward(
        dx, x: tape.input, weight: norm.weight, tape.statistics, addingTo: dInput, dWeight: gradients.norm.weight,
        dBias: gradients.norm.bias)
      let dPatches = arena.tensor([tape.patches.rowCount, classToken.count])
      gradients.classToken.fill(0)
      gradients.positions.fill(0)
      for image in 0..<dInput.rowCount / tokenCount {
        let rows = dInput.rows(image * tokenCount..<(image + 1) * tokenCount)
        ElementWise.add(rows.row(0), to: gradients.classToken)
        ElementWise.add(rows, to: gradients.positions)
        patchRows(of: image, in: dPatches).copy(from: rows.rows(1..<tokenCount))
      }
      Linear.backwardWeight(
        product.operand(dPatches, arena), x: product.operand(tape.patches, arena), into: gradients.patchWeight,
        by: product)
    }
  }

  private func inputShape(_ pixels: Tensor) -> [Int] { [pixels.shape[0] * tokenCount, classToken.count] }

  private func patchRows(of image: Int, in patches: Tensor) -> Tensor {
    patches.rows(image * (tokenCount - 1)..<(image + 1) * (tokenCount - 1))
  }

  private func normalize(_ input: Tensor, into x: Tensor, _ statistics: LayerNorm.Statistics) {
    LayerNorm.forward(input, weight: norm.weight, bias: norm.bias, epsilon: epsilon, into: x, statistics)
  }

  /// Writes everything before the norm and returns the patches that it is made of, cut from the arena.
  private func embed(_ pixels: Tensor, into x: Tensor, arena: Arena, by product: some MatrixProduct) -> Tensor {
    let imageCount = pixels.shape[0]
    precondition(pixels.shape == [imageCount, 3, imageSize, imageSize] && x.shape == inputShape(pixels))
    let columns = arena.tensor([imageCount * (tokenCount - 1), patchWeight.columnCount])
    gatherPatches(pixels, into: columns)
    arena.scoped {
      let patches = arena.tensor([columns.rowCount, classToken.count])
      Linear.forward(
        product.operand(columns, arena), weight: product.operand(patchWeight, arena), bias: nil, into: Operand(patches),
        by: product)
      for image in 0..<imageCount {
        let rows = x.rows(image * tokenCount..<(image + 1) * tokenCount)
        rows.row(0).copy(from: classToken)
        rows.rows(1..<tokenCount).copy(from: patchRows(of: image, in: patches))
        ElementWise.add(positions, to: rows)
      }
    }
    return columns
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
