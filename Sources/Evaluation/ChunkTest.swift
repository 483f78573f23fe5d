import Coordination
import Datasets
import Foundation
import Kernels
import Tensors

/// Some images of a test set on their way through the model.
final class ChunkTest<Product: MatrixProduct>: ChunkWork {
  private let set: TestImages
  private let evaluator: Evaluator<Product>
  private let policy: ImageFailurePolicy
  private let batches: [Range<Int>]
  /// Batches whose features are kept, as far as is known.
  private let areKept: [Bool]
  private let loader: ImageLoader
  private let arena: Arena
  private let onStep: () throws -> Void
  private var outcomes: ImageOutcomes
  private var next = 0

  var remainingSteps: Int { batches.count - next }

  /// Begins to load the images whose features are not kept.
  init(
    _ set: TestImages, _ images: Range<Int>, _ evaluator: Evaluator<Product>, _ policy: ImageFailurePolicy,
    arena: Arena,
    onStep: @escaping () throws -> Void
  ) {
    (self.set, self.evaluator, self.policy, self.arena, self.onStep) = (set, evaluator, policy, arena, onStep)
    outcomes = ImageOutcomes(first: images.lowerBound)
    let batches = stride(from: images.lowerBound, to: images.upperBound, by: evaluator.batchSize).map {
      $0..<min($0 + evaluator.batchSize, images.upperBound)
    }
    let areKept = set.kept?.plan(batches) ?? batches.map { _ in false }
    (self.batches, self.areKept) = (batches, areKept)
    // Only a chunk's last batch may be smaller, so those that are loaded stay the batches that they are.
    loader = Self.loader(
      zip(batches, areKept).flatMap { $1 ? [] : Array($0) }, of: set, evaluator, policy, lookahead: 2)
  }

  private static func loader(
    _ images: [Int], of set: TestImages, _ evaluator: Evaluator<Product>, _ policy: ImageFailurePolicy, lookahead: Int
  ) -> ImageLoader {
    ImageLoader(
      requests: images.map { ImageRequest(url: set.dataset.url(of: set.items[$0]), stream: (0, 0)) },
      batchSize: evaluator.batchSize, transform: evaluator.transform, seed: 0, threads: evaluator.loaderThreads,
      lookahead: lookahead, onFailure: policy)
  }

  func step() throws {
    try onStep()
    arena.reset()
    let (scores, failures) = try scores()
    for (row, index) in batches[next].enumerated() {
      if let failure = failures[index] {
        outcomes.appendSkipped("\(failure)")
      } else {
        outcomes.append(scores: scores.row(row).buffer)
      }
    }
    next += 1
  }

  /// The scores of the next batch, and the images of it that cannot be loaded.
  private func scores() throws -> (Tensor, failures: [Int: any Error]) {
    let images = batches[next]
    guard let kept = set.kept else {
      let (pixels, failures) = try load(images)
      return (set.scoring.scores(pixels, arena: arena, by: evaluator.product), failures)
    }
    if areKept[next], let features = kept.read(images, arena: arena) {
      return (scores(of: features, images), [:])
    }
    let (pixels, failures) = try load(images)
    let features = kept.make(pixels, arena: arena)
    if failures.isEmpty { kept.keep(features, of: images) }
    return (scores(of: features, images), failures)
  }

  private func scores(of features: Tensor, _ images: Range<Int>) -> Tensor {
    set.scoring.scores(of: features, images: images.count, arena: arena, by: evaluator.product)
  }

  /// Pixels of the next batch, and its failures by place in the set.
  private func load(_ images: Range<Int>) throws -> (Tensor, [Int: any Error]) {
    // What was kept may prove damaged: then nothing was loaded ahead.
    let isAhead = !areKept[next]
    let loader =
      isAhead ? loader : Self.loader(Array(images), of: set, evaluator, policy, lookahead: 1)
    guard let batch = try loader.next() else { preconditionFailure("a chunk has no more batches") }
    return (
      batch.pixels,
      Dictionary(
        uniqueKeysWithValues: batch.failures.map { ($0 - batch.range.lowerBound + images.lowerBound, $1) })
    )
  }

  func result() throws -> [UInt8] { Array(try JSONEncoder().encode(outcomes)) }
}
