import Collectives

/// What a test of a model on some images counted; every metric follows from it.
///
/// Counts of different images add up in any order, so results depend neither on ranks nor on how the work was cut.
public struct TestCounts: Equatable, Sendable {
  /// Predictions by class.
  public private(set) var matrix: ConfusionMatrix
  /// Images whose class was among the five with the highest scores.
  public private(set) var amongFive: Int64 = 0
  /// Confidence against truth.
  public private(set) var calibration = CalibrationBins()
  /// Images that could not be read; they count nowhere else.
  public private(set) var skipped: Int64 = 0

  /// No images yet.
  public init(classCount: Int) { matrix = ConfusionMatrix(classCount: classCount) }

  /// Counts images, whose classes are `labels`.
  public mutating func add(_ outcomes: ImageOutcomes, labels: some Collection<Int>) {
    precondition(labels.count == outcomes.range.count, "as many labels as images")
    skipped += Int64(outcomes.skipped.count)
    for ((best, confidence), label) in zip(zip(outcomes.ranked, outcomes.confidences), labels) {
      guard let prediction = best.first else { continue }
      matrix.add(truth: label, prediction: prediction)
      amongFive += best.contains(label) ? 1 : 0
      calibration.add(confidence: confidence, isCorrect: prediction == label)
    }
  }

  /// Share of the images whose class was among the five with the highest scores; nil without images.
  public var topFiveAccuracy: Double? { matrix.total == 0 ? nil : Double(amongFive) / Double(matrix.total) }

  /// Adds up what the ranks counted, on all of them.
  ///
  /// Collective: all ranks call this in the same order.
  mutating func sum(over collectives: some Collectives) throws {
    var numbers = [amongFive, skipped] + calibration.numbers
    try collectives.allReduce(&numbers, .sum)
    (amongFive, skipped) = (numbers[0], numbers[1])
    calibration.numbers = Array(numbers[2...])
    try collectives.allReduce(&matrix.counts, .sum)
  }
}
