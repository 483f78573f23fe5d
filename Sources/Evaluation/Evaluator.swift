import Collectives
import Coordination
import Datasets
import Diagnostics
import Foundation
import Kernels
import Tensors

/// Tests what tells classes apart, a model with one text per class for example, on all ranks.
public struct Evaluator<Product: MatrixProduct> {
  let transform: ImageTransform
  let batchSize: Int
  let loaderThreads: Int
  let product: Product

  /// An evaluator that decodes on `loaderThreads` background threads and runs `batchSize` images at a time.
  public init(transform: ImageTransform, batchSize: Int, loaderThreads: Int, by product: Product) {
    self.transform = transform
    self.batchSize = batchSize
    self.loaderThreads = loaderThreads
    self.product = product
  }

  /// Counts of all images of each set, the same on all ranks.
  ///
  /// `onProgress` is told on rank 0 how many images of all sets are done, `onOutcomes` there too what was made of which;
  /// `onStep` is called before each batch of any rank. What they throw, or the failure of an unreadable image where the schedule does not skip such, is thrown alike on all
  /// ranks, after the batch that each is at. Collective: all ranks call this in the same order.
  public func evaluate(
    _ sets: [TestImages], _ schedule: TestSchedule, _ collectives: any MessagePassing,
    onStep: @escaping () throws -> Void = {}, onProgress: @escaping (_ done: Int) -> Void = { _ in },
    onSkipped: @escaping (DatasetItem, ImageOutcomes.Skipped) -> Void = { _, _ in },
    onOutcomes: @escaping (ImageOutcomes) -> Void = { _ in }
  ) throws -> [TestCounts] {
    var counts = sets.map { TestCounts(classCount: $0.scoring.classCount) }
    var done = 0
    try evaluate(
      sets, todo: sets.map { [0..<$0.items.count] }, schedule, collectives, onStep: onStep,
      onOutcomes: { unit, outcomes in
        counts[unit].add(outcomes, labels: sets[unit].items[outcomes.range].map(\.label))
        outcomes.skipped.forEach { onSkipped(sets[unit].items[$0.index], $0) }
        onOutcomes(outcomes)
        done += outcomes.range.count
        onProgress(done)
      })
    for unit in counts.indices { try counts[unit].sum(over: collectives) }
    return counts
  }

  /// Tests the images `todo[set]` of each set, and tells rank 0 what came of them, in any order.
  ///
  /// Ranges of `todo` ascend and begin at multiples of the batch size; rank 0's are the ones that count. Throws as
  /// `evaluate(_:_:_:)`, also what `onOutcomes` throws. Collective: all ranks call this in the same order.
  public func evaluate(
    _ sets: [TestImages], todo: [[Range<Int>]], _ schedule: TestSchedule, _ collectives: any MessagePassing,
    onStep: @escaping () throws -> Void = {}, onOutcomes: @escaping (_ set: Int, ImageOutcomes) throws -> Void
  ) throws {
    let sharing = WorkSharing(collectives, schedule.coordinator)
    // One arena for all chunks of this rank: only one is computed at a time.
    let arena = Arena()
    let coordination = WorkSharing.Coordination(
      queue: { WorkQueue(todo, batch: batchSize, workers: sharing.workers, sizing: schedule.sizing) },
      onResult: { chunk, bytes in
        let outcomes = try JSONDecoder().decode(ImageOutcomes.self, from: Data(bytes))
        precondition(outcomes.fits(chunk.items, classCount: sets[chunk.unit].scoring.classCount), "other images came")
        try onOutcomes(chunk.unit, outcomes)
      })
    try sharing.run(coordination) { chunk in
      ChunkTest(sets[chunk.unit], chunk.items, self, schedule.onBadImage, arena: arena, onStep: onStep)
    }
  }
}
