import Foundation
import Kernels
import MatrixBackends
import Tensors
import Testing

@testable import Evaluation

@Suite struct AnalysisTests {
  /// Two classes at the angles of the axes: p = softmax(s cos), |p_c - y_c| is the same for both.
  @Test func theOwnClassHasHalfOfTheGradient() {
    let texts = Tensor([1, 0, 0, 1, 0, -1], shape: [3, 2])
    let images = Tensor([1, 0, 0.6, 0.8], shape: [2, 2])
    let shares = GradientShares(
      images: images, labels: [0, 1], texts: texts, logitScale: 4, by: OpenBLASProduct(threads: 1))
    #expect(abs(shares.byRank[0] - 0.5) < 1e-12)
    #expect(abs(shares.byRank.reduce(0, +) - 1) < 1e-12 && abs(shares.byClass.reduce(0, +) - 1) < 1e-12)
    // Image 0 is as far from classes 1 and 2: a quarter each. Image 1: logits 2.4 of class 0 and -3.2 of class 2.
    let near = 0.5 / (1 + exp(-5.6))
    #expect(abs(shares.byRank[1] - (0.25 + near) / 2) < 1e-6)
    #expect(abs(shares.byClass[0] - (0.5 + near) / 2) < 1e-6)
  }

  @Test func recommendationsFollowTheirRules() {
    let texts = Tensor([1, 0, 0, 1], shape: [2, 2])
    var shares = GradientShares(
      images: Tensor([1, 0], shape: [1, 2]), labels: [0], texts: texts, logitScale: 1, by: OpenBLASProduct(threads: 1))
    shares.byRank = [0.5, 0.3, 0.14, 0.05, 0.01]
    let still = FeatureChange(relative: [0, 0, 0, 0], cosineDistance: [0, 0, 0, 0])
    let late = FeatureChange(relative: [0, 0.01, 0.1, 0.5], cosineDistance: [0, 0, 0, 0])
    let recommended = SkipRecommendation([still, late], shares)
    #expect(recommended.startLayer == 2)  // 0.1 is a tenth of 0.5 and more; 0.01 is less.
    #expect(recommended.keptClasses == 4 && recommended.ratio == 0.8)
    #expect(SkipRecommendation([still], shares).startLayer == 4)
  }
}
