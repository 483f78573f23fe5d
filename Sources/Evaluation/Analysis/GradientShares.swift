import CLIPModel
import Foundation
import Kernels
import Tensors

/// Which classes the gradient of the loss falls on.
///
/// With unit features u of an image and t_c of the classes, logits s <u, t_c> and probabilities p, the gradient of the
/// cross-entropy by t_c is s (p_c - y_c) u: of length s |p_c - y_c|. A class's share is its length over the sum of all.
public struct GradientShares: Codable, Sendable, Equatable {
  /// Mean share of each class over the images, by label.
  public var byClass: [Double]
  /// Mean share at each rank position: the image's own class first, the others by similarity, as CSkip ranks them.
  public var byRank: [Double]

  /// Of unit image features `[images, embedding]` with their labels, and unit text features `[classes, embedding]`.
  public init(images: Tensor, labels: [Int], texts: Tensor, logitScale: Float, by product: some MatrixProduct) {
    let (count, classes) = (images.rowCount, texts.rowCount)
    let similarity = Tensor(uninitialized: [count, classes])
    product.multiply(MatrixView(images), MatrixView(texts).transposed, into: MatrixView(similarity))
    byClass = Array(repeating: 0, count: classes)
    byRank = byClass
    for image in 0..<count {
      let row = (0..<classes).map { Double(similarity.row(image)[$0]) }
      let shares = Self.shares(row.map { $0 * Double(logitScale) }, label: labels[image])
      let order = row.indices.sorted { left, right in
        if (left == labels[image]) != (right == labels[image]) { return left == labels[image] }
        return row[left] == row[right] ? left < right : row[left] > row[right]
      }
      for (rank, label) in order.enumerated() {
        byRank[rank] += shares[label] / Double(count)
        byClass[label] += shares[label] / Double(count)
      }
    }
  }

  private static func shares(_ logits: [Double], label: Int) -> [Double] {
    let largest = logits.max() ?? 0
    let powers = logits.map { exp($0 - largest) }
    let sum = powers.reduce(0, +)
    var lengths = powers.map { $0 / sum }
    // 1 - p_label as the sum of the others: exact where p_label is almost 1.
    lengths[label] = lengths.indices.reduce(0) { $1 == label ? $0 : $0 + lengths[$1] }
    let total = lengths.reduce(0, +)
    return total > 0 ? lengths.map { $0 / total } : lengths
  }
}

/// What an analysis recommends, by rules that it states.
public struct SkipRecommendation: Codable, Sendable, Equatable {
  /// First block to train: the first whose change is a share `changeShare` of the largest, of either encoder.
  public var startLayer: Int
  /// Classes to keep: the fewest first rank positions that have a share `gradientShare` of the gradient.
  public var keptClasses: Int
  /// The same over the number of classes.
  public var ratio: Double
  /// The shares that the rules ask for.
  public var changeShare, gradientShare: Double

  /// By relative feature change and shares by rank.
  public init(
    _ changes: [FeatureChange], _ shares: GradientShares, changeShare: Double = 0.1, gradientShare: Double = 0.95
  ) {
    self.changeShare = changeShare
    self.gradientShare = gradientShare
    startLayer =
      changes.map { change in
        let threshold = changeShare * (change.relative.max() ?? 0)
        return change.relative.firstIndex { $0 > 0 && $0 >= threshold } ?? change.relative.count
      }.min() ?? 0
    var sum = 0.0
    let enough = shares.byRank.firstIndex { share in
      sum += share
      return sum >= gradientShare
    }
    keptClasses = (enough ?? shares.byRank.count - 1) + 1
    ratio = Double(keptClasses) / Double(shares.byRank.count)
  }
}
