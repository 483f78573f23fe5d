import TestSupport
import Testing

@testable import SkipTuning

/// CSkip against Tests/Reference/classskip_goldens.py, which is written from docs/method.md alone.
@Suite struct ClassSkipTests {
  struct Cases<Case: Decodable>: Decodable { let cases: [Case] }

  struct Count: Decodable {
    let classes: Int
    let ratio: Double
    let cap: Int
    let top: Int
    let filters: Bool
  }

  @Test func topCountsMatchTheFormula() throws {
    for golden in try Goldens.json("classskip/counts.json", as: Cases<Count>.self).cases {
      let top = ClassSkip.topCount(
        of: golden.classes, ClassSkip.Settings(ratio: golden.ratio, cap: golden.cap))
      #expect(top == (golden.filters ? golden.top : golden.classes), "\(golden)")
    }
  }

  struct Probability: Decodable {
    let classes, top: Int
    let lambda: Double
    let float64: [Double]
  }

  @Test func probabilitiesMatchTheFormula() throws {
    for golden in try Goldens.json("classskip/probabilities.json", as: Cases<Probability>.self).cases {
      let probabilities = ClassSkip.tailProbabilities(count: golden.classes - golden.top, lambda: golden.lambda)
      #expect(probabilities.count == golden.float64.count)
      for (probability, truth) in zip(probabilities, golden.float64) {
        #expect(abs(probability - truth) <= 1e-13, "\(golden)")
      }
    }
  }

  struct Kept: Decodable {
    let name: String
    let top: Int
    let scores: [Float]
    let mask: [Bool]
    let kept: [Int]
  }

  @Test func keptClassesMatchTheReference() throws {
    for golden in try Goldens.json("classskip/kept.json", as: Cases<Kept>.self).cases {
      // Ratios above 1 name a number of classes; 1 itself would mean all of them.
      let ratio = golden.top == 1 ? 1 / Double(golden.scores.count) : Double(golden.top)
      let classSkip = ClassSkip(
        classCount: golden.scores.count, ClassSkip.Settings(ratio: ratio, cap: 10_000), seed: 0, mask: golden.mask)
      #expect(classSkip.topCount == golden.top)
      #expect(classSkip.keptClasses(scores: golden.scores, step: 0) == golden.kept, "\(golden)")
    }
  }

  @Test func aRunDrawsItsMaskOnceUnlessAskedToRedraw() {
    let settings = ClassSkip.Settings(ratio: 0.1, lambda: 5)
    let once = ClassSkip(classCount: 100, settings, seed: 1)
    #expect(once.mask(step: 0) == once.mask(step: 9))
    #expect(once.mask(step: 0) != ClassSkip(classCount: 100, settings, seed: 2).mask(step: 0))
    let again = ClassSkip(
      classCount: 100, ClassSkip.Settings(ratio: 0.1, lambda: 5, redraw: .perStep), seed: 1)
    #expect(again.mask(step: 0) != again.mask(step: 9))
  }

  /// The mean of many masks is their probability, within five standard deviations.
  @Test func masksFollowTheirProbabilities() {
    let draws = 4000
    let classSkip = ClassSkip(
      classCount: 20, ClassSkip.Settings(ratio: 0.3, lambda: 2, redraw: .perStep), seed: 3)
    var counts = [Int](repeating: 0, count: 20)
    for step in 0..<draws {
      for (position, isKept) in classSkip.mask(step: step).enumerated() where isKept { counts[position] += 1 }
    }
    for (count, probability) in zip(counts, classSkip.probabilities) {
      let deviation = (probability * (1 - probability) / Double(draws)).squareRoot()
      #expect(abs(Double(count) / Double(draws) - probability) <= 5 * deviation)
    }
  }
}
