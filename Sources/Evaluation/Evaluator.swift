import CLIPModel
import Collectives
import Datasets
import Kernels
import Tensors

/// What tells classes apart: the class with the highest score is the prediction.
public protocol ClassScoring: Sendable {
  /// Classes that are told apart.
  var classCount: Int { get }

  /// Scores `[images, classes]` of normalised pixels `[images, 3, size, size]`, cut from the arena.
  func scores(_ pixels: Tensor, arena: Arena, by product: some MatrixProduct) -> Tensor
}

/// The class whose text is nearest to the image.
public struct NearestText: ClassScoring {
  private let model: CLIP
  private let classFeatures: Tensor

  /// `classFeatures [classes, embedding]` are unit rows, in the order of the labels.
  public init(_ model: CLIP, classFeatures: Tensor) {
    self.model = model
    self.classFeatures = classFeatures
  }

  /// Classes that are told apart.
  public var classCount: Int { classFeatures.rowCount }

  /// Products of image and class features.
  public func scores(_ pixels: Tensor, arena: Arena, by product: some MatrixProduct) -> Tensor {
    let features = model.imageFeatures(pixels, arena: arena, by: product)
    let similarity = arena.tensor([features.rowCount, classCount])
    // Lengths of image features and the logit scale do not change which class is nearest.
    product.multiply(MatrixView(features), MatrixView(classFeatures).transposed, into: MatrixView(similarity))
    return similarity
  }
}

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
  /// `onProgress` is told how many of this rank's images are done, and may throw to end the test. What it throws, or the
  /// failure of an unreadable image, is thrown alike on all ranks, after the batch that each is at. Collective: all ranks
  /// call this in the same order.
  public func evaluate(
    _ items: [DatasetItem], of dataset: Dataset, by scoring: any ClassScoring, _ collectives: some Collectives,
    onProgress: (_ done: Int, _ count: Int) throws -> Void = { _, _ in }
  ) throws -> ConfusionMatrix {
    let share = evenShard(of: items.count, rank: collectives.rank, worldSize: collectives.worldSize)
    let own = Array(items[share])
    var matrix = ConfusionMatrix(classCount: scoring.classCount)
    let loader = ImageLoader(
      requests: own.map { ImageRequest(url: dataset.url(of: $0), stream: (0, 0)) }, batchSize: batchSize,
      transform: transform, seed: 0, threads: loaderThreads, lookahead: 2)
    let arena = Arena()
    try forEachBatch(of: items.count, collectives) {
      guard let batch = try loader.next() else { return }
      arena.reset()
      let predictions = predict(batch.pixels, scoring, arena)
      for (index, prediction) in zip(batch.range, predictions) {
        matrix.add(truth: own[index].label, prediction: prediction)
      }
      try onProgress(batch.range.upperBound, own.count)
    }
    try collectives.allReduce(&matrix.counts, .sum)
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

  /// The class of each image with the highest score; of several the first.
  private func predict(_ pixels: Tensor, _ scoring: any ClassScoring, _ arena: Arena) -> [Int] {
    let all = scoring.scores(pixels, arena: arena, by: product)
    return (0..<all.rowCount).map { row in
      let scores = all.row(row)
      return (0..<scores.count).reduce(0) { scores[$1] > scores[$0] ? $1 : $0 }
    }
  }
}
