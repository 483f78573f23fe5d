import CLIPModel
import Collectives
import Datasets
import Diagnostics
import Foundation
import Kernels
import Tensors

/// Features of image files and texts, for use outside of skiptune.
public struct FeatureEmbedder<Product: MatrixProduct> {
  private let model: CLIP
  private let tokenizer: CLIPTokenizer
  private let transform: ImageTransform
  private let batchSize: Int
  private let loaderThreads: Int
  private let product: Product

  /// An embedder with a model, and with tokenizer and preprocessing of the source that it was read from.
  ///
  /// Throws `Failure` for what is wrong with them.
  public init(
    _ model: CLIP, from source: ModelSource, batchSize: Int, loaderThreads: Int, by product: Product
  ) throws {
    // No weight changes while this lives.
    self.model = model.freezing(.image, upTo: model.imageTower.depth, for: product)
      .freezing(.text, upTo: model.textTower.depth, for: product)
    tokenizer = try CLIPTokenizer(source, model.configuration)
    try model.configuration.judge(tokenizer, place: source.name)
    transform = ImageTransform(
      try ImagePreprocessing(source, imageSize: model.configuration.imageSize))
    self.batchSize = batchSize
    self.loaderThreads = loaderThreads
    self.product = product
  }

  /// Projected features `[files, embedding]`, not normalised, prepared as test images are.
  ///
  /// Throws the failure of an image that cannot be read, alike on all ranks. Collective: all ranks call this with the same
  /// files.
  public func embed(images files: [URL], _ collectives: some Collectives) throws -> Tensor {
    try gather(files.count, collectives) { share, features in
      let loader = ImageLoader(
        requests: files[share].map { ImageRequest(url: $0, stream: (0, 0)) }, batchSize: batchSize,
        transform: transform, seed: 0, threads: loaderThreads, lookahead: 2)
      let arena = Arena()
      while let batch = try loader.next() {
        arena.reset()
        features.rows(batch.range).copy(from: model.imageFeatures(batch.pixels, arena: arena, by: product))
      }
    }
  }

  /// Projected features `[texts, embedding]`, not normalised; texts that are too long are cut, keeping the end token.
  ///
  /// Collective: all ranks call this with the same texts.
  public func embed(texts: [String], _ collectives: some Collectives) throws -> Tensor {
    try gather(texts.count, collectives) { share, features in
      let arena = Arena()
      for start in stride(from: 0, to: share.count, by: batchSize) {
        arena.reset()
        let group = start..<min(start + batchSize, share.count)
        let prompts = group.map {
          tokenizer.encode(texts[share.lowerBound + $0], contextLength: model.configuration.contextLength)
        }
        features.rows(group).copy(from: model.textFeatures(prompts, arena: arena, by: product))
      }
    }
  }

  /// Lets each rank fill the rows of its share, and completes the whole on all ranks.
  private func gather(
    _ count: Int, _ collectives: some Collectives, _ fill: (_ share: Range<Int>, _ features: Tensor) throws -> Void
  ) throws -> Tensor {
    let width = model.configuration.embeddingWidth
    let shares = (0..<collectives.worldSize).map {
      evenShard(of: count, rank: $0, worldSize: collectives.worldSize)
    }
    let features = Tensor(uninitialized: [count, width])
    let share = shares[collectives.rank]
    try collectives.agree { try fill(share, features.rows(share)) }
    try collectives.allGather(into: features.buffer, counts: shares.map { $0.count * width })
    return features
  }
}

extension ImageTransform {
  /// The preparation that a model's folder describes.
  public init(_ preprocessing: ImagePreprocessing, augmentation: Augmentation? = nil) {
    self.init(
      resizeSize: preprocessing.resizeSize, cropSize: preprocessing.cropSize, mean: preprocessing.mean,
      std: preprocessing.standardDeviation, augmentation: augmentation)
  }
}
