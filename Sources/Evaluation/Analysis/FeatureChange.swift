import CLIPModel
import Kernels
import Tensors

/// How far tuning moved the features of one encoder, block by block, at the token that is read: the class token of images,
/// the end-of-text token of prompts.
public struct FeatureChange: Codable, Sendable, Equatable {
  /// Mean over the sequences of ||after - before|| / ||before||, behind each block.
  public var relative: [Double]
  /// Mean over the sequences of 1 - cos(after, before), behind each block.
  public var cosineDistance: [Double]
}

/// Compares the features of two models of the same shape.
public struct FeatureComparison<Product: MatrixProduct> {
  private let before: CLIP
  private let after: CLIP
  private let product: Product

  /// Of a model before and after tuning.
  public init(before: CLIP, after: CLIP, by product: Product) {
    self.before = before
    self.after = after
    self.product = product
  }

  /// Of normalised pixels `[images, 3, size, size]`.
  public func images(_ pixels: Tensor) -> FeatureChange {
    let layout = before.imageEmbedding.layout(count: pixels.shape[0])
    return compare(layout, rows: layout.firstRows, \.imageTower) { model, x in
      model.imageEmbedding.forward(pixels, into: x, arena: Arena(), by: product)
    }
  }

  /// Of token ids that end with the end token.
  public func prompts(_ prompts: [[Int32]]) -> FeatureChange {
    let layout = before.textEmbedding.layout(prompts)
    return compare(layout, rows: layout.lastRows, \.textTower) { model, x in
      model.textEmbedding.forward(prompts, layout, into: x)
    }
  }

  private func compare(
    _ layout: SequenceLayout, rows: [Int], _ tower: KeyPath<CLIP, Tower>, embed: (CLIP, Tensor) -> Void
  ) -> FeatureChange {
    let inputs = [before, after].map { model in
      let x = Tensor(uninitialized: [layout.tokenCount, model[keyPath: tower].width])
      embed(model, x)
      return x
    }
    var change = FeatureChange(relative: [], cosineDistance: [])
    for layer in 0..<before[keyPath: tower].depth {
      for (model, x) in zip([before, after], inputs) {
        model[keyPath: tower].extract(x, layout, layers: layer..<layer + 1, arena: Arena(), by: product)
      }
      let pairs = rows.map { Self.distances(inputs[0].row($0), inputs[1].row($0)) }
      change.relative.append(pairs.reduce(0) { $0 + $1.relative } / Double(pairs.count))
      change.cosineDistance.append(pairs.reduce(0) { $0 + $1.cosine } / Double(pairs.count))
    }
    return change
  }

  private static func distances(_ before: Tensor, _ after: Tensor) -> (relative: Double, cosine: Double) {
    var (difference, product, lengths) = (0.0, 0.0, (0.0, 0.0))
    for index in 0..<before.count {
      let (a, b) = (Double(before[index]), Double(after[index]))
      difference += (b - a) * (b - a)
      product += a * b
      lengths.0 += a * a
      lengths.1 += b * b
    }
    guard lengths.0 > 0, lengths.1 > 0 else { return (0, 0) }
    return (
      (difference / lengths.0).squareRoot(), 1 - product / (lengths.0.squareRoot() * lengths.1.squareRoot())
    )
  }
}
