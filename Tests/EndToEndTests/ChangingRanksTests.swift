import Foundation
import TestSupport
import Testing

extension EndToEnd {
  /// One run that goes on at another number of ranks each time, as jobs in a busy cluster do.
  @Suite struct ChangingRanks {
    private static let settings = [
      "checkpoint.every_steps=5", "checkpoint.keep_last=1", "evaluate.zero_shot=false", "evaluate.tuned=false",
    ]

    /// Tolerances as for runs at a fixed number of ranks: only the order of sums differs.
    @Test func savedAtFourResumedAtThreeOneTwoFour() throws {
      let task = try SmallTask()
      let whole = try task.train("whole", ranks: 4, Self.settings)
      let parts: [(ranks: Int, end: Int, settings: [String])] = [
        (4, 12, []),
        (3, 24, ["exchange.bucket_mb=0.05"]),
        (1, 31, ["exchange.mode=replicated"]),
        (2, 45, ["exchange.two_level=false", "exchange.class_parallel_text=false"]),
        (4, 60, ["exchange.overlap=false", "exchange.first_bucket_mb=0.01"]),
      ]
      var former = 0
      for part in parts {
        let run = try task.train(
          "parts", ranks: part.ranks,
          Self.settings + part.settings + ["limits.max_steps=\(part.end)", "output.save_model=\(part.end == 60)"])
        #expect(try run.steps().map(\.step) == Array(0..<part.end), "resumed after \(former) steps")
        former = part.end
        // As if it had been stopped there.
        try FileManager.default.removeItem(at: run.url.appendingPathComponent("COMPLETED"))
      }
      let run = RunFolder(task.run("parts"))
      let distance = try #require(try run.distance(to: whole))
      #expect(distance.loss <= 1e-5)
      #expect(distance.stepsWithOtherClasses == 0)
      #expect(distance.weights <= 5e-6)
    }
  }
}
