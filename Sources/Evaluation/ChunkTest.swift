import Coordination
import Datasets
import Foundation
import Kernels
import Tensors

/// Some images of a test set on their way through the model.
final class ChunkTest<Product: MatrixProduct>: ChunkWork {
  private let set: TestImages
  private let loader: ImageLoader
  private let arena: Arena
  private let product: Product
  private let onStep: () throws -> Void
  private var outcomes: ImageOutcomes
  private(set) var remainingSteps: Int

  /// Begins to load the images.
  init(
    _ set: TestImages, _ images: Range<Int>, _ evaluator: Evaluator<Product>, _ policy: ImageFailurePolicy,
    arena: Arena,
    onStep: @escaping () throws -> Void
  ) {
    self.set = set
    self.arena = arena
    self.onStep = onStep
    product = evaluator.product
    outcomes = ImageOutcomes(first: images.lowerBound)
    remainingSteps = (images.count + evaluator.batchSize - 1) / evaluator.batchSize
    loader = ImageLoader(
      requests: set.items[images].map { ImageRequest(url: set.dataset.url(of: $0), stream: (0, 0)) },
      batchSize: evaluator.batchSize, transform: evaluator.transform, seed: 0, threads: evaluator.loaderThreads,
      lookahead: 2, onFailure: policy)
  }

  func step() throws {
    try onStep()
    guard let batch = try loader.next() else { preconditionFailure("a chunk has no more batches") }
    arena.reset()
    let scores = set.scoring.scores(batch.pixels, arena: arena, by: product)
    for index in batch.range {
      if let failure = batch.failures[index] {
        outcomes.appendSkipped("\(failure)")
      } else {
        outcomes.append(scores: scores.row(index - batch.range.lowerBound).buffer)
      }
    }
    remainingSteps -= 1
  }

  func result() throws -> [UInt8] { Array(try JSONEncoder().encode(outcomes)) }
}
