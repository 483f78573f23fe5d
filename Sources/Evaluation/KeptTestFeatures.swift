import Kernels
import Tensors

/// Features of a test set's images at some place of the image encoder that are kept from one test to the next.
///
/// Images are named by their place in the set. Used by one thread.
public protocol KeptTestFeatures: AnyObject, Sendable {
  /// Which of the next batches need not be made from pixels, as far as can be told; no more than a guess for loading ahead.
  func plan(_ batches: [Range<Int>]) -> [Bool]

  /// The features of a batch, cut from the arena; nil where they must be made from pixels.
  func read(_ images: Range<Int>, arena: Arena) -> Tensor?

  /// Makes the features of normalised pixels `[images, 3, size, size]`, cut from the arena.
  func make(_ pixels: Tensor, arena: Arena) -> Tensor

  /// Keeps what `make` made of a batch.
  func keep(_ x: Tensor, of images: Range<Int>)
}
