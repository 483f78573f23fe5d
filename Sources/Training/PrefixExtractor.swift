import CLIPModel
import Datasets
import Kernels
import SkipTuning
import Tensors

/// Makes the features that enter the start layer: once per image and epoch, since augmentations differ.
struct PrefixExtractor<Product: MatrixProduct> {
  let model: CLIP
  let startLayer: Int
  let dataset: Dataset
  let transform: ImageTransform
  let seed: UInt64
  let loaderThreads: Int
  let product: Product

  /// Images that pass the frozen blocks together: enough for full-speed products, small beside the cache.
  private static var batchSize: Int { 16 }

  /// The images that pass together with those of `range`, where all of `count` are cut into batches from the first on.
  func groups(around range: Range<Int>, count: Int) -> Range<Int> {
    let size = Self.batchSize
    return range.lowerBound / size * size..<min(count, (range.upperBound + size - 1) / size * size)
  }

  /// Features of training images, in the given order.
  ///
  /// A pure function of (seed, epoch, image): the same on whichever rank, in whichever batch. Throws the `Failure` of an
  /// image that cannot be read.
  func extract(_ images: [Int], epoch: Int, onProgress: (Int) throws -> Void) throws -> PrefixFeatures {
    let layout = model.imagePrefixLayout(count: images.count, upTo: startLayer)
    let features = Tensor(uninitialized: [layout.tokenCount, model.imageTower.width])
    let loader = ImageLoader(
      requests: images.map {
        ImageRequest(url: dataset.url(of: dataset.train[$0]), stream: (UInt32(epoch), UInt32($0)))
      },
      batchSize: Self.batchSize, transform: transform, seed: seed, threads: loaderThreads, lookahead: 2)
    let arena = Arena()
    let tokens = layout.tokenCount / max(1, layout.count)
    while let batch = try loader.next() {
      arena.reset()
      let rows = features.rows(batch.range.lowerBound * tokens..<batch.range.upperBound * tokens)
      model.imagePrefix(batch.pixels, into: rows, upTo: startLayer, arena: arena, by: product)
      try onProgress(batch.range.upperBound)
    }
    return PrefixFeatures(features, layout)
  }
}
