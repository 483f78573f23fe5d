/// How often a model is right by how sure it is, in 15 bins of equal width.
///
/// Whole numbers: bins of different images add up in any order.
public struct CalibrationBins: Equatable, Sendable {
  /// As published results have it.
  public static let count = 15

  /// Images whose confidence lies in `(i / 15, (i + 1) / 15]`.
  public private(set) var images: [Int64]
  /// Those of them whose class was predicted.
  public private(set) var correct: [Int64]
  /// Sums of their confidences, in parts of `ImageOutcomes.wholeConfidence`.
  public private(set) var confidence: [Int64]

  /// No images yet.
  public init() {
    images = Array(repeating: 0, count: Self.count)
    (correct, confidence) = (images, images)
  }

  /// Counts one image.
  public mutating func add(confidence parts: UInt32, isCorrect: Bool) {
    // Rounded up, as bins are open below.
    let bin =
      (UInt64(parts) * UInt64(Self.count) + UInt64(ImageOutcomes.wholeConfidence) - 1)
      / UInt64(ImageOutcomes.wholeConfidence)
    let index = max(0, Int(bin) - 1)
    images[index] += 1
    correct[index] += isCorrect ? 1 : 0
    confidence[index] += Int64(parts)
  }

  /// Mean over all images of `|share of right ones - mean confidence|` of the image's bin; nil without images.
  public var expectedError: Double? {
    let total = images.reduce(0, +)
    guard total > 0 else { return nil }
    let gaps = images.indices.map { bin in
      abs(Double(correct[bin]) - Double(confidence[bin]) / Double(ImageOutcomes.wholeConfidence))
    }
    return gaps.reduce(0, +) / Double(total)
  }

  var numbers: [Int64] {
    get { images + correct + confidence }
    set {
      images = Array(newValue[..<Self.count])
      correct = Array(newValue[Self.count..<2 * Self.count])
      confidence = Array(newValue[(2 * Self.count)...])
    }
  }
}
