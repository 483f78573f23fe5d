import Foundation
import TestSupport
import Testing

/// The promise that users of clusters rely on: the number of ranks changes nothing but the time.
extension EndToEnd {
  @Suite struct RankInvariance {
    /// Losses may differ by the order of summation over images and ranks; the promise is 1e-5.
    private static let lossTolerance = 1e-5
    /// A sum in another order is off by about 2^-24 = 6e-8 per step, and 60 steps carry that on: 3e-7 was measured.
    private static let weightTolerance = 5e-6

    @Test func oneToFourRanksTrainTheSameModel() throws {
      let task = try SmallTask()
      let alone = try task.train("alone")
      #expect(try alone.steps().count == 60)
      try expectTrained(alone, task)
      // A batch of 4 on 3 ranks is 2 + 1 + 1 images.
      for ranks in 1...4 {
        try expectSame(try task.train("ranks-\(ranks)", ranks: ranks), alone, ranks: ranks)
      }
    }

    @Test func masksDrawnForEachStepAndSingleClassBatchesAreTheSameOnAllRanks() throws {
      let task = try SmallTask()
      let settings = [
        "task=base-to-new", "batch.order=single-class", "method.class_skip.redraw=per-step", "optim.epochs=6",
      ]
      let alone = try task.train("alone", settings)
      let results = try alone.results()
      #expect(results.tuned?.scores.mapValues(\.images) == ["base": 25, "new": 25])
      #expect(results.tuned?.harmonicMean != nil)
      #expect(try alone.steps().count == 60)
      try expectSame(try task.train("ranks-3", ranks: 3, settings), alone, ranks: 3)
    }

    @Test func imagesPerRankAddUpToTheGlobalBatch() throws {
      let task = try SmallTask()
      let alone = try task.train("alone")
      let perRank = try task.train("per-rank", ranks: 2, ["batch.global=null", "batch.per_rank=2"])
      try expectSame(perRank, alone, ranks: 2)
    }

    /// Ten images on eight ranks, and eight ranks for the texts of fewer classes.
    @Test func eightRanksOnFewCores() throws {
      let task = try SmallTask()
      let settings = ["batch.global=10", "optim.epochs=4"]
      let alone = try task.train("alone", settings)
      try expectSame(try task.train("ranks-8", ranks: 8, settings), alone, ranks: 8)
      let apart = ["exchange.two_level=false", "exchange.bucket_mb=0.02"]
      try expectSame(try task.train("apart", ranks: 8, settings + apart), alone, ranks: 8)
    }

    private func expectSame(_ run: RunFolder, _ alone: RunFolder, ranks: Int) throws {
      let distance = try #require(try run.distance(to: alone))
      #expect(distance.loss <= Self.lossTolerance, "\(ranks) ranks")
      #expect(distance.stepsWithOtherClasses == 0, "\(ranks) ranks")
      #expect(distance.weights <= Self.weightTolerance, "\(ranks) ranks")
      let (results, expected) = (try run.results(), try alone.results())
      #expect(results.ranks == ranks)
      #expect(results.zeroShot == expected.zeroShot)
      #expect(results.tuned == expected.tuned)
    }

    /// Otherwise all ranks could agree on doing nothing.
    private func expectTrained(_ run: RunFolder, _ task: SmallTask) throws {
      let base = try RunFolder(task.folder).weights()
      let name = "text_model.encoder.layers.6.mlp.fc2.weight"
      #expect(relativeError(try run.weights().tensor(name), try base.tensor(name)) > 0.01)
      let steps = try run.steps()
      #expect(Set(steps.map(\.keptClasses)).count > 10, "CSkip must be at work")
      #expect(steps.allSatisfy { (5..<10).contains($0.keptClasses.count) })
      let first = steps.prefix(20).map(\.loss).reduce(0, +)
      #expect(steps.suffix(20).map(\.loss).reduce(0, +) < 0.9 * first, "the loss must fall")
    }
  }
}
