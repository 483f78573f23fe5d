import Testing

@testable import Evaluation

@Suite struct SeedStatisticsTests {
  /// Printed tables of Student's distribution, to their last digit.
  @Test(arguments: [
    (freedom: 1, bound: 12.706205), (2, 4.302653), (3, 3.182446), (4, 2.776445), (9, 2.262157), (30, 2.042272),
    (120, 1.979930), (100_000, 1.959988),
  ])
  func boundsOfStudentsDistribution(freedom: Int, bound: Double) {
    #expect(abs(StudentT.bound(coverage: 0.95, freedom: freedom) - bound) < 5.1e-7)
  }

  /// With one degree of freedom it is Cauchy's: tan(coverage * pi / 2); with two t = c / sqrt((1 - c^2) / 2).
  @Test func boundsInClosedForm() {
    #expect(abs(StudentT.bound(coverage: 0.5, freedom: 1) - 1) < 1e-12)
    let c = 0.95
    #expect(abs(StudentT.bound(coverage: c, freedom: 2) - c / ((1 - c * c) / 2).squareRoot()) < 1e-12)
  }

  @Test func meanDeviationAndInterval() {
    let statistics = SeedStatistics([84, 85, 89])
    #expect(statistics.mean == 86)
    #expect(statistics.deviation == 7.0.squareRoot())
    let bound = 0.95 / ((1 - 0.95 * 0.95) / 2).squareRoot()
    #expect(abs(statistics.interval! - bound * (7.0 / 3).squareRoot()) < 1e-12)
    let single = SeedStatistics([3])
    #expect(single.mean == 3 && single.deviation == nil && single.interval == nil)
  }
}
