import CLIPModel
import Collectives
import Datasets
import Kernels
import Tensors

/// Tests a model: every image is compared with one prompt per class, and the nearest class is the prediction.
public struct Evaluator<Product: MatrixProduct> {
  private let model: CLIP
  private let transform: ImageTransform
  private let batchSize: Int
  private let loaderThreads: Int
  private let product: Product

  /// An evaluator that decodes on `loaderThreads` background threads and runs `batchSize` images at a time.
  public init(_ model: CLIP, transform: ImageTransform, batchSize: Int, loaderThreads: Int, by product: Product) {
    // No weight changes while this lives.
    self.model = model.freezing(.image, upTo: model.imageTower.depth, for: product)
    self.transform = transform
    self.batchSize = batchSize
    self.loaderThreads = loaderThreads
    self.product = product
  }

  /// Counts of all images of `items`, of which each rank takes an even share.
  ///
  /// `classFeatures [classes, embedding]` are unit rows, in the order of the items' labels. `onProgress` is told how many
  /// of this rank's images are done, and may throw to end the test. What it throws, or the failure of an unreadable image,
  /// is thrown alike on all ranks, after the batch that each is at. Collective: all ranks call this in the same order.
  public func evaluate(
    _ items: [DatasetItem], of dataset: Dataset, classFeatures: Tensor, _ collectives: some Collectives,
    onProgress: (_ done: Int, _ count: Int) throws -> Void = { _, _ in }
  ) throws -> ConfusionMatrix {
    let share = evenShard(of: items.count, rank: collectives.rank, worldSize: collectives.worldSize)
    let own = Array(items[share])
    var matrix = ConfusionMatrix(classCount: classFeatures.rowCount)
    let loader = ImageLoader(
      requests: own.map { ImageRequest(url: dataset.url(of: $0), stream: (0, 0)) }, batchSize: batchSize,
      transform: transform, seed: 0, threads: loaderThreads, lookahead: 2)
    let arena = Arena()
    try forEachBatch(of: items.count, collectives) {
      guard let batch = try loader.next() else { return }
      arena.reset()
      let predictions = predict(batch.pixels, classFeatures, arena)
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

  /// The nearest class of each image; of equally near ones the first.
  private func predict(_ pixels: Tensor, _ classFeatures: Tensor, _ arena: Arena) -> [Int] {
    let features = model.imageFeatures(pixels, arena: arena, by: product)
    let similarity = arena.tensor([features.rowCount, classFeatures.rowCount])
    // Lengths of image features and the logit scale do not change which class is nearest.
    product.multiply(MatrixView(features), MatrixView(classFeatures).transposed, into: MatrixView(similarity))
    return (0..<similarity.rowCount).map { row in
      let scores = similarity.row(row)
      return (0..<scores.count).reduce(0) { scores[$1] > scores[$0] ? $1 : $0 }
    }
  }
}
