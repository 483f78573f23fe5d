import CLIPModel
import Datasets
import Kernels
import SkipTuning
import Tensors

/// Makes what training starts from, features that enter the start layer for example: once per image and epoch, since
/// augmentations differ, unless they are kept from before.
struct PrefixExtractor<Product: MatrixProduct> {
  let prefix: FrozenPrefix<Product>
  let dataset: Dataset
  let transform: ImageTransform
  let seed: UInt64
  let loaderThreads: Int
  let storage: FeatureSettings
  /// Features that are kept of an epoch's images, by their index; nil where none are.
  var kept: (_ epoch: Int) -> KeptFeatures<Product>? = { _ in nil }

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
    let store = try FeatureStore(count: images.count, prefix.model, at: prefix.stage, storage)
    let kept = kept(epoch)
    let batches = stride(from: 0, to: images.count, by: Self.batchSize).map {
      $0..<min($0 + Self.batchSize, images.count)
    }
    let areKept = kept?.plan(batches.map { Array(images[$0]) }) ?? batches.map { _ in false }
    // Only the last batch may be smaller, so those that are loaded stay the batches that they are.
    let loader = loader(zip(batches, areKept).flatMap { $1 ? [] : images[$0] }, epoch, lookahead: 2)
    let arena = Arena()
    for (batch, isKept) in zip(batches, areKept) {
      let (own, features) = (Array(images[batch]), store.scratch(batch.count))
      if !isKept || kept?.read(own, into: features) != true {
        arena.reset()
        // What was kept may prove damaged: then nothing was loaded ahead.
        let pixels = try (isKept ? self.loader(own, epoch, lookahead: 1) : loader).next()!.pixels
        prefix.model.imageInputs(pixels, into: features, at: prefix.stage, arena: arena, by: prefix.product)
        kept?.keep(features, of: own)
      }
      try store.write(features, of: batch)
      try onProgress(batch.upperBound)
    }
    return store
  }

  private func loader(_ images: [Int], _ epoch: Int, lookahead: Int) -> ImageLoader {
    ImageLoader(
      requests: images.map {
        ImageRequest(url: dataset.url(of: dataset.train[$0]), stream: (UInt32(epoch), UInt32($0)))
      },
      batchSize: Self.batchSize, transform: transform, seed: seed, threads: loaderThreads, lookahead: lookahead)
  }
}
