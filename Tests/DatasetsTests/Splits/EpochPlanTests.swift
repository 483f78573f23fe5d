import Diagnostics
import Tensors
import Testing

@testable import Datasets

@Suite struct EpochPlanTests {
  /// Uneven classes, interleaved: 5 of class 0, 16 of 1, 3 of 2, 9 of 3, 40 of 4.
  static let labels: [Int] = {
    var labels = zip([5, 16, 3, 9, 40], 0...).flatMap { count, label in Array(repeating: label, count: count) }
    var random = CounterRandom(seed: 99)
    random.shuffle(&labels)
    return labels
  }()

  static func plan(
    _ batchSize: Int, _ order: BatchOrder, group: Int = 4, seed: UInt64 = 1, epoch: Int = 0
  ) throws -> EpochPlan {
    try EpochPlan(
      labels: labels, globalBatchSize: batchSize, order: order, groupSize: group, seed: seed, epoch: epoch)
  }

  @Test(arguments: BatchOrder.allCases, [1, 2, 3, 4, 8, 16])
  func imagesAreUsedAtMostOnceAndBatchesAreFull(order: BatchOrder, batchSize: Int) throws {
    let plan = try Self.plan(batchSize, order)
    let used = plan.batches.flatMap { $0 }
    #expect(Set(used).count == used.count)
    #expect(used.allSatisfy(Self.labels.indices.contains))
    #expect(plan.batches.allSatisfy { $0.count == batchSize })
    let group = min(4, batchSize)
    let usable = order == .singleClass ? [5, 16, 3, 9, 40].map { $0 / group * group }.reduce(0, +) : 73
    #expect(plan.batches.count == usable / batchSize)
  }

  @Test(arguments: [1, 2, 3, 4])
  func aSingleClassBatchHoldsOneClass(batchSize: Int) throws {
    for batch in try Self.plan(batchSize, .singleClass).batches {
      #expect(Set(batch.map { Self.labels[$0] }).count == 1)
    }
  }

  @Test func aLargerBatchIsConsecutivePublishedBatches() throws {
    let small = try Self.plan(4, .singleClass).batches
    let large = try Self.plan(16, .singleClass).batches
    #expect(large.flatMap { $0 } == Array(small.flatMap { $0 }.prefix(64)))
    let pairs = try Self.plan(4, .singleClass, group: 2).batches
    #expect(pairs.flatMap { $0 } == Array(try Self.plan(2, .singleClass).batches.flatMap { $0 }.prefix(68)))
  }

  @Test(arguments: [BatchOrder.random, .singleClass])
  func aPlanIsAFunctionOfSeedAndEpoch(order: BatchOrder) throws {
    let plan = try Self.plan(4, order, seed: 3, epoch: 2)
    #expect(try Self.plan(4, order, seed: 3, epoch: 2) == plan)
    #expect(try Self.plan(4, order, seed: 3, epoch: 3) != plan)
    #expect(try Self.plan(4, order, seed: 4, epoch: 2) != plan)
  }

  @Test func sequentialIsTheListAsItIs() throws {
    let plan = try Self.plan(10, .sequential, epoch: 4)
    #expect(plan.batches.flatMap { $0 } == Array(0..<70))
  }

  /// Over many epochs each class with a full group leads equally often, and each image of a class is left out equally often.
  @Test func picksAreUniform() throws {
    let labels = [0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2]
    var leads = [0, 0, 0]
    var unused = [0, 0, 0, 0, 0]
    for epoch in 0..<6000 {
      let plan = try EpochPlan(labels: labels, globalBatchSize: 4, order: .singleClass, seed: 1, epoch: epoch)
      leads[labels[plan.batches[0][0]]] += 1
      for image in Set(0..<5).subtracting(plan.batches.flatMap { $0 }) { unused[image] += 1 }
    }
    #expect(leads.allSatisfy { abs($0 - 2000) < 185 })  // Five standard deviations of 36.5.
    #expect(unused.reduce(0, +) == 6000)
    #expect(unused.allSatisfy { abs($0 - 1200) < 155 })  // Five standard deviations of 31.
  }

  @Test(arguments: [
    (Int?.some(1), BatchOrder.random), (3, .random), (4, .singleClass), (16, .singleClass), (nil, .singleClass),
  ])
  func thePublishedOrderDependsOnShots(shots: Int?, order: BatchOrder) {
    #expect(BatchOrder.published(shots: shots) == order)
  }

  @Test func theOrderThatNeedsAFullGroupWaitsForIt() {
    #expect(BatchOrder.published(shots: 4, groupSize: 8) == .random)
    #expect(BatchOrder.published(shots: 8, groupSize: 8) == .singleClass)
  }

  @Test(arguments: [
    (0, BatchOrder.random, 4, "a batch of 0 in groups of 4"),
    (4, .sequential, 0, "a batch of 4 in groups of 0"),
    (
      74, .random, 4,
      "a batch of 74 images cannot be filled: there are 73 training images; choose a batch of at most 73"
    ),
    (74, .sequential, 4, "there are 73 training images"),
    (6, .singleClass, 4, "a batch of 6 images is no multiple of the group of 4"),
    (48, .singleClass, 48, "the largest class has 40; choose a group (or batch) of at most 40"),
    (72, .singleClass, 4, "form only 17 such groups (largest class: 40); choose a batch of at most 68"),
  ])
  func sizesThatCannotBeFilledAreRefused(batchSize: Int, order: BatchOrder, group: Int, words: String) {
    #expect {
      try Self.plan(batchSize, order, group: group)
    } throws: { error in
      (error as? Failure)?.status == .usage && "\(error)".contains(words)
    }
  }

  /// Training on all of ImageNet: 167 classes have 1,282 images and the others 1,281, so each gives 320 batches.
  @Test func aFullImageNetEpochIsPlanned() throws {
    let labels = (0..<1_281_167).map { $0 % 1000 }
    let plan = try EpochPlan(labels: labels, globalBatchSize: 4, order: .singleClass, seed: 1, epoch: 0)
    #expect(plan.batches.count == 320 * 1000)
    #expect(Set(plan.batches.map { labels[$0[0]] }).count == 1000)
  }
}
