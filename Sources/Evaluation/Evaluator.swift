import Collectives
import Datasets
import Foundation
import Kernels
import Tensors

/// Tests what tells classes apart, a model with one text per class for example.
public struct Evaluator<Product: MatrixProduct> {
  private let transform: ImageTransform
  private let batchSize: Int
  private let loaderThreads: Int
  private let product: Product

  /// An evaluator that decodes on `loaderThreads` background threads and runs `batchSize` images at a time.
  public init(transform: ImageTransform, batchSize: Int, loaderThreads: Int, by product: Product) {
    self.transform = transform
    self.batchSize = batchSize
    self.loaderThreads = loaderThreads
    self.product = product
  }

  /// Counts of all images of `items`, of which each rank takes an even share.
  ///
  /// `onOutcomes` is told on rank 0 what was made of the images, in order. `onProgress` is told how many of this rank's images are done, and may throw to end the test. What it throws, or the
  /// failure of an unreadable image, is thrown alike on all ranks, after the batch that each is at. Collective: all ranks
  /// call this in the same order.
  public func evaluate(
    _ items: [DatasetItem], of dataset: Dataset, by scoring: any ClassScoring, _ collectives: some Collectives,
    onOutcomes: (ImageOutcomes) -> Void = { _ in },
    onProgress: (_ done: Int, _ count: Int) throws -> Void = { _, _ in }
  ) throws -> ConfusionMatrix {
    let share = evenShard(of: items.count, rank: collectives.rank, worldSize: collectives.worldSize)
    let own = Array(items[share])
    var matrix = ConfusionMatrix(classCount: scoring.classCount)
    var outcomes = ImageOutcomes(first: share.lowerBound)
    let loader = ImageLoader(
      requests: own.map { ImageRequest(url: dataset.url(of: $0), stream: (0, 0)) }, batchSize: batchSize,
      transform: transform, seed: 0, threads: loaderThreads, lookahead: 2)
    let arena = Arena()
    try forEachBatch(of: items.count, collectives) {
      guard let batch = try loader.next() else { return }
      arena.reset()
      let scores = scoring.scores(batch.pixels, arena: arena, by: product)
      for index in batch.range {
        outcomes.append(scores: scores.row(index - batch.range.lowerBound).buffer)
        matrix.add(truth: own[index].label, prediction: outcomes.ranked[index][0])
      }
      try onProgress(batch.range.upperBound, own.count)
    }
    try collectives.allReduce(&matrix.counts, .sum)
    for bytes in try collectives.allGather(Array(try JSONEncoder().encode(outcomes))) where collectives.rank == 0 {
      onOutcomes(try JSONDecoder().decode(ImageOutcomes.self, from: Data(bytes)))
    }
    return matrix
  }

  /// Calls `body` as often as the rank with the largest share of `count` images has batches; ends on all ranks when it
  /// throws on one, so that none computes on for hours after another was asked to stop.
  private func forEachBatch(of count: Int, _ collectives: some Collectives, _ body: () throws -> Void) throws {
    let largest = evenShard(of: count, rank: 0, worldSize: collectives.worldSize).count
    var problem: (any Error)?
    for _ in stride(from: 0, to: largest, by: batchSize) {
      do { try body() } catch { problem = error }
      let isEnding: Int64 = problem == nil ? 0 : 1
      if try collectives.allReduce(isEnding, .max) > 0 { break }
    }
    try collectives.agree { if let problem { throw problem } }
  }
}
