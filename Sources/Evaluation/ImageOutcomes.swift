import Foundation

/// What a model made of consecutive images of a test set: all that any metric is computed from, in whole numbers.
public struct ImageOutcomes: Codable, Equatable, Sendable {
  /// An image that cannot be read.
  public struct Skipped: Codable, Equatable, Sendable {
    /// Position in the list of the test set.
    public var index: Int
    /// Why.
    public var problem: String
  }

  /// Classes that are ranked of each image.
  public static let rankedClasses = 5
  /// What a confidence of 1 is counted as.
  public static let wholeConfidence: UInt32 = 1 << 31

  /// Position of the first image in the list of the test set.
  public private(set) var first: Int
  /// The classes with the highest scores of each image, best first, at most five; none of an image that was skipped.
  public private(set) var ranked: [[Int]] = []
  /// Probability of the first of them among all classes, in parts of `wholeConfidence`.
  public private(set) var confidences: [UInt32] = []
  /// Images that were skipped, ascending.
  public private(set) var skipped: [Skipped] = []

  /// Nothing yet of the images from `first` on.
  public init(first: Int) { self.first = first }

  /// Which images these are.
  public var range: Range<Int> { first..<first + ranked.count }

  /// Adds the next image, by its scores.
  mutating func append(scores: UnsafeMutableBufferPointer<Float>) {
    let best = Self.ranked(scores)
    ranked.append(best)
    confidences.append(Self.confidence(of: best[0], scores))
  }

  /// Adds the next image, which cannot be read.
  mutating func appendSkipped(_ problem: String) {
    skipped.append(Skipped(index: range.upperBound, problem: problem))
    ranked.append([])
    confidences.append(0)
  }

  /// The highest scores; of equal ones the first comes first.
  static func ranked(_ scores: UnsafeMutableBufferPointer<Float>) -> [Int] {
    var best: [Int] = []
    for (label, score) in scores.enumerated() {
      var place = best.count
      while place > 0, score > scores[best[place - 1]] { place -= 1 }
      guard place < rankedClasses else { continue }
      if best.count == rankedClasses { best.removeLast() }
      best.insert(label, at: place)
    }
    return best
  }

  /// Softmax in double precision, rounded to a whole number of parts so that sums do not depend on their order.
  static func confidence(of label: Int, _ scores: UnsafeMutableBufferPointer<Float>) -> UInt32 {
    let greatest = Double(scores[label])
    let sum = scores.reduce(0) { $0 + exp(Double($1) - greatest) }
    let parts = (Double(wholeConfidence) / sum).rounded()
    // A model whose scores are not numbers is sure of nothing.
    return parts.isFinite ? UInt32(min(max(0, parts), Double(wholeConfidence))) : 0
  }

  /// Whether these may be the outcomes of the images `range` among `classCount` classes: what comes from a file is judged.
  public func fits(_ range: Range<Int>, classCount: Int) -> Bool {
    first == range.lowerBound && ranked.count == range.count && confidences.count == range.count
      && confidences.allSatisfy { $0 <= Self.wholeConfidence }
      && skipped.map(\.index) == range.filter { ranked[$0 - first].isEmpty }
      && ranked.allSatisfy { best in
        (best.isEmpty || best.count == min(classCount, Self.rankedClasses)) && Set(best).count == best.count
          && best.allSatisfy { (0..<classCount).contains($0) }
      }
  }
}
