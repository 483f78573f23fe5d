/// How often each class was taken for each: exact counts, from which every metric follows.
///
/// Counts of different images add up in any order, so results do not depend on ranks or batches.
public struct ConfusionMatrix: Sendable, Equatable {
  /// Classes.
  public let classCount: Int
  /// `[truth * classCount + prediction]`.
  public var counts: [Int64]

  /// No images yet.
  public init(classCount: Int) {
    self.classCount = classCount
    counts = Array(repeating: 0, count: classCount * classCount)
  }

  /// Counts one image.
  public mutating func add(truth: Int, prediction: Int) { counts[truth * classCount + prediction] += 1 }

  /// Images of class `truth` that were taken for class `prediction`.
  public subscript(truth: Int, prediction: Int) -> Int64 { counts[truth * classCount + prediction] }

  /// All images.
  public var total: Int64 { counts.reduce(0, +) }

  /// Images whose class was predicted.
  public var correct: Int64 { (0..<classCount).reduce(0) { $0 + self[$1, $1] } }

  /// Share of the images whose class was predicted; nil without images.
  public var accuracy: Double? { total == 0 ? nil : Double(correct) / Double(total) }

  /// Mean over the classes that occur of `2 TP / (2 TP + FP + FN)`; nil without images.
  ///
  /// As scikit-learn's `f1_score(average="macro", labels=unique(truth))`, which published results use.
  public var macroF1: Double? {
    let scores = (0..<classCount).compactMap { label -> Double? in
      let actual = (0..<classCount).reduce(0) { $0 + self[label, $1] }
      guard actual > 0 else { return nil }
      let predicted = (0..<classCount).reduce(0) { $0 + self[$1, label] }
      return 2 * Double(self[label, label]) / Double(actual + predicted)
    }
    return scores.isEmpty ? nil : scores.reduce(0, +) / Double(scores.count)
  }
}

/// `H = 2 / (1/base + 1/new)`, the harmonic mean of two accuracies; 0 if either is 0.
public func harmonicMean(_ base: Double, _ new: Double) -> Double {
  base + new == 0 ? 0 : 2 * base * new / (base + new)
}
