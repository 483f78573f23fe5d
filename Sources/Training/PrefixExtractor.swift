import CLIPModel
import Datasets
import Kernels
import SkipTuning
import Tensors

/// Makes what training starts from, features that enter the start layer for example: once per image and epoch, since
/// augmentations differ.
struct PrefixExtractor<Product: MatrixProduct> {
  let model: CLIP
  let stage: ImageStage
  let dataset: Dataset
  let transform: ImageTransform
  let seed: UInt64
  let loaderThreads: Int
  let storage: FeatureSettings
  let product: Product

  private static var batchSize: Int { PrefixFeatures.imagesAtATime }

  /// The images that pass the blocks in the same batches as those of `range`, in an epoch of `count` images.
  ///
  /// A library may round the rows of a product differently by their place in it. So that a run that goes on in the middle of
  /// an epoch, or ends there, is equal to one that does not, features are made in the epoch's batches, whole ones.
  static func wholeBatches(_ range: Range<Int>, of count: Int) -> Range<Int> {
    guard !range.isEmpty else { return range }
    let end = (range.upperBound + batchSize - 1) / batchSize * batchSize
    return range.lowerBound / batchSize * batchSize..<min(count, end)
  }

  /// Features of training images, in the given order.
  ///
  /// A function of (seed, epoch, image): the same on whichever rank, in whichever batch, but for rounding. Throws the
  /// `Failure` of an image that cannot be read, or of a disk that cannot keep features.
  func extract(_ images: [Int], epoch: Int, onProgress: (Int) throws -> Void) throws -> FeatureStore {
    let store = try FeatureStore(count: images.count, model, at: stage, storage)
    let loader = ImageLoader(
      requests: images.map {
        ImageRequest(url: dataset.url(of: dataset.train[$0]), stream: (UInt32(epoch), UInt32($0)))
      },
      batchSize: Self.batchSize, transform: transform, seed: seed, threads: loaderThreads, lookahead: 2)
    let arena = Arena()
    while let batch = try loader.next() {
      arena.reset()
      let features = store.scratch(batch.range.count)
      model.imageInputs(batch.pixels, into: features, at: stage, arena: arena, by: product)
      try store.write(features, of: batch.range)
      try onProgress(batch.range.upperBound)
    }
    return store
  }
}
