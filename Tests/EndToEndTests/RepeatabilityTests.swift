import Foundation
import TestSupport
import Testing

extension EndToEnd {
  @Suite struct Repeatability {
    @Test(arguments: [nil, 3]) func theSameRunTwiceIsTheSameToTheBit(ranks: Int?) throws {
      let task = try SmallTask()
      let runs = try ["first", "second"].map { try task.train($0, ranks: ranks) }
      let lines = try runs.map { try $0.metricLines().map { $0.replacing(/, "seconds": .*/, with: "") } }
      #expect(lines[0].count == 62)
      #expect(lines[0] == lines[1])
      let weights = try runs.map { try $0.weightBytes() }
      #expect(weights[0] == weights[1])
    }

    @Test func anotherSeedIsAnotherRun() throws {
      let task = try SmallTask()
      let runs = try [3, 4].map { try task.train("seed-\($0)", ["seed=\($0)", "limits.max_steps=10"]) }
      #expect(try runs[0].steps().map(\.loss) != runs[1].steps().map(\.loss))
    }
  }
}
