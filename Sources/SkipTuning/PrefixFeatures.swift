import CLIPModel
import Kernels
import Tensors

/// Features that enter the start layer: LSkip's cut between what is frozen and what is trained.
public struct PrefixFeatures: Sendable {
  /// Images that pass the frozen blocks together: enough for full-speed products, small beside what is kept.
  public static let imagesAtATime = 16

  /// `[tokens, width]`, one row for each row of the layout.
  public let values: Tensor
  /// Where each sequence lies.
  public let layout: SequenceLayout

  /// Features that were made elsewhere.
  public init(_ values: Tensor, _ layout: SequenceLayout) {
    precondition(values.rowCount == layout.tokenCount)
    self.values = values
    self.layout = layout
  }

  /// Consecutive sequences, sharing their values; for layouts whose sequences have rows of their own.
  public func window(_ sequences: Range<Int>) -> PrefixFeatures {
    guard let offsets = layout.offsets else { preconditionFailure("sequences that share rows are no window") }
    let rows = offsets[sequences.lowerBound]..<offsets[sequences.upperBound]
    return PrefixFeatures(values.rows(rows), layout.selecting(Array(sequences)).layout)
  }

  /// A copy of some sequences, in the given order, cut from the arena; towers overwrite it.
  ///
  /// Where sequences may share rows, idle rows of zeros make their number a multiple of `rowMultiple`.
  public func gathered(_ sequences: [Int], rowMultiple: Int = 1, in arena: Arena) -> PrefixFeatures {
    let (selection, rows) = layout.selecting(sequences, rowMultiple: rowMultiple)
    let copy = arena.tensor([selection.tokenCount, values.columnCount])
    copy.rows(0..<rows.count).copy(rows: rows, of: values)
    copy.rows(rows.count..<selection.tokenCount).fill(0)
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
    textEmbedding.forward(prompts, layout, into: x)
    return arena.scoped {
      let (values, layout) = textTower.prefix(x, layout, upTo: startLayer, arena: arena, by: product)
      return PrefixFeatures(startLayer == textTower.depth ? values.copied() : values, layout)
    }
  }

  /// How the features of `count` images lie that enter block `startLayer`.
  public func imagePrefixLayout(count: Int, upTo startLayer: Int) -> SequenceLayout {
    imageTower.prefixLayout(imageEmbedding.layout(count: count), upTo: startLayer)
  }

  /// Normalised pixels `[images, 3, size, size]` through the image blocks before `startLayer`, written to `x`, which has
  /// the rows of `imagePrefixLayout`.
  public func imagePrefix(
    _ pixels: Tensor, into x: Tensor, upTo startLayer: Int, arena: Arena, by product: some MatrixProduct
  ) {
    let layout = imageEmbedding.layout(count: pixels.shape[0])
    let isReadOut = startLayer == imageTower.depth
    arena.scoped {
      let embedded = isReadOut ? arena.tensor([layout.tokenCount, imageTower.width]) : x
      imageEmbedding.forward(pixels, into: embedded, arena: arena, by: product)
      let prefix = imageTower.prefix(embedded, layout, upTo: startLayer, arena: arena, by: product)
      if isReadOut { x.copy(from: prefix.values) }
    }
  }
}
