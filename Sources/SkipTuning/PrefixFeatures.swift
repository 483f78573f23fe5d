import CLIPModel
import Kernels
import Tensors

/// Features that enter the start layer: LSkip's cut between what is frozen and what is trained.
public struct PrefixFeatures: Sendable {
  /// `[tokens, width]`, sequences packed one after the other.
  public let values: Tensor
  /// Where each sequence lies.
  public let layout: SequenceLayout

  /// Features that were made elsewhere.
  public init(_ values: Tensor, _ layout: SequenceLayout) {
    precondition(values.rowCount == layout.tokenCount)
    self.values = values
    self.layout = layout
  }

  /// Consecutive sequences, sharing their values.
  public func window(_ sequences: Range<Int>) -> PrefixFeatures {
    let rows = layout.offsets[sequences.lowerBound]..<layout.offsets[sequences.upperBound]
    return PrefixFeatures(values.rows(rows), layout.selecting(Array(sequences)))
  }

  /// A copy of some sequences, in the given order, cut from the arena; towers overwrite it.
  public func gathered(_ sequences: [Int], in arena: Arena) -> PrefixFeatures {
    let selection = layout.selecting(sequences)
    let copy = arena.tensor([selection.tokenCount, values.columnCount])
    for (position, sequence) in sequences.enumerated() {
      copy.rows(selection.rows(of: position)).copy(from: values.rows(layout.rows(of: sequence)))
    }
    return PrefixFeatures(copy, selection)
  }
}

extension CLIP {
  /// Prompts (token ids that end with end-of-text) through the text blocks before `startLayer`.
  public func textPrefix(
    _ prompts: [[Int32]], upTo startLayer: Int, arena: Arena, by product: some MatrixProduct
  ) -> PrefixFeatures {
    let layout = textEmbedding.layout(prompts)
    let x = Tensor(uninitialized: [layout.tokenCount, textTower.width])
    textEmbedding.forward(prompts, into: x)
    textTower.extract(x, layout, layers: 0..<startLayer, arena: arena, by: product)
    return PrefixFeatures(x, layout)
  }

  /// Normalised pixels `[images, 3, size, size]` through the image blocks before `startLayer`, written to `x`
  /// `[images * tokens, width]`.
  public func imagePrefix(
    _ pixels: Tensor, into x: Tensor, upTo startLayer: Int, arena: Arena, by product: some MatrixProduct
  ) {
    imageEmbedding.forward(pixels, into: x, arena: arena, by: product)
    imageTower.extract(
      x, imageEmbedding.layout(count: pixels.shape[0]), layers: 0..<startLayer, arena: arena, by: product)
  }
}
