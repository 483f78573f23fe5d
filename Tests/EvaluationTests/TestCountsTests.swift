import TestSupport
import Testing

@testable import Evaluation

/// What tests count, against scikit-learn (Tests/Reference/metrics_goldens.py).
@Suite struct TestCountsTests {
  struct Golden: Decodable {
    struct Case: Decodable {
      let classes: Int
      let labels: [Int]
      let logits: [[Float]]
      let accuracy, top5: Double
      let calibrationError: Double

      enum CodingKeys: String, CodingKey {
        case classes, labels, logits, accuracy, top5
        case calibrationError = "calibration_error"
      }
    }
    let cases: [Case]
  }

  private func cases() throws -> [Golden.Case] {
    try Goldens.json("metrics/scores.json", as: Golden.self, keys: .useDefaultKeys).cases
  }

  private func outcomes(_ logits: some Collection<[Float]>, first: Int = 0) -> ImageOutcomes {
    var outcomes = ImageOutcomes(first: first)
    for row in logits {
      var row = row
      row.withUnsafeMutableBufferPointer { outcomes.append(scores: $0) }
    }
    return outcomes
  }

  @Test func metricsMatchScikitLearn() throws {
    let cases = try cases()
    #expect(cases.count == 4)
    for sample in cases {
      var counts = TestCounts(classCount: sample.classes)
      counts.add(outcomes(sample.logits), labels: sample.labels)
      #expect(abs((counts.matrix.accuracy ?? .nan) - sample.accuracy) < 1e-14)
      #expect(abs((counts.topFiveAccuracy ?? .nan) - sample.top5) < 1e-14)
      // Each confidence is rounded to 2^-31.
      #expect(abs((counts.calibration.expectedError ?? .nan) - sample.calibrationError) < 1e-9)
    }
  }

  /// In whatever chunks and order.
  @Test func countsAddUpInAnyOrder() throws {
    var random = SystemRandomNumberGenerator()
    for sample in try cases() {
      var whole = TestCounts(classCount: sample.classes)
      whole.add(outcomes(sample.logits), labels: sample.labels)
      for size in [1, 7, 50] {
        let starts = stride(from: 0, to: sample.labels.count, by: size).shuffled(using: &random)
        var parts = TestCounts(classCount: sample.classes)
        for start in starts {
          let range = start..<min(start + size, sample.labels.count)
          parts.add(outcomes(sample.logits[range], first: start), labels: sample.labels[range])
        }
        #expect(parts == whole)
      }
    }
  }

  @Test func skippedImagesCountNowhereElse() {
    var outcomes = ImageOutcomes(first: 10)
    outcomes.appendSkipped("is damaged")
    var scores: [Float] = [1, 3]
    scores.withUnsafeMutableBufferPointer { outcomes.append(scores: $0) }
    var counts = TestCounts(classCount: 2)
    counts.add(outcomes, labels: [0, 1])
    #expect(counts.skipped == 1 && counts.matrix.total == 1 && counts.matrix.correct == 1 && counts.amongFive == 1)
    #expect(outcomes.skipped == [ImageOutcomes.Skipped(index: 10, problem: "is damaged")])
    #expect(outcomes.fits(10..<12, classCount: 2) && !outcomes.fits(10..<13, classCount: 2))
    #expect(!outcomes.fits(10..<12, classCount: 3) && !outcomes.fits(10..<12, classCount: 1))
    #expect(TestCounts(classCount: 2).topFiveAccuracy == nil)
    #expect(TestCounts(classCount: 2).calibration.expectedError == nil)
  }

  @Test(
    arguments: [
      ([1, 2, 3], [2, 1, 0]), ([5, 5, 5, 5, 5, 5, 5], [0, 1, 2, 3, 4]), ([0, 1, 9, 1, 9, 1, 1], [2, 4, 1, 3, 5]),
      ([-.infinity, 2], [1, 0]), ([.nan, .nan], [0, 1]),
    ] as [([Float], [Int])])
  func equalScoresRankByLabel(scores: [Float], ranked: [Int]) {
    var scores = scores
    #expect(scores.withUnsafeMutableBufferPointer { ImageOutcomes.ranked($0) } == ranked)
  }

  /// Bins are open below and closed above.
  @Test func binsOfConfidence() {
    var bins = CalibrationBins()
    let whole = UInt64(ImageOutcomes.wholeConfidence)
    let third = UInt32(whole / 15 * 5)  // Below a third by rounding.
    for parts in [0, 1, third, third + 5, UInt32(whole), UInt32(whole) - 1] {
      bins.add(confidence: parts, isCorrect: true)
    }
    #expect(bins.images == [2, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 2])
    #expect(bins.images == bins.correct)
  }

  @Test func scoresThatAreNoNumbersMeanNoConfidence() {
    for scores in [[Float.nan, 1], [.infinity, 1], [-.infinity, -.infinity]] {
      var scores = scores
      #expect(scores.withUnsafeMutableBufferPointer { ImageOutcomes.confidence(of: 0, $0) } == 0)
    }
  }
}
