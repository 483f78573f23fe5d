import Diagnostics
import Files
import Foundation
import Tensors

/// The weights that a model was read from, read again piece by piece when they are asked for: nothing is in memory.
///
/// Any thread may read. The file stays open, so another one that takes its name does not matter; one that is written over
/// does, see `isUnchanged`.
public final class StoredWeights: Sendable {
  private let weights: WeightsFile

  /// Opens the weights that `CLIP(_:)` reads.
  ///
  /// Throws `Failure` where they cannot be opened or do not hold the parameters of the layout.
  public convenience init(_ source: ModelSource, _ layout: ParameterLayout) throws {
    self.init(try WeightsFile(source))
    guard weights.layout == layout else {
      throw Failure(
        .badData, at: weights.url.path, "the tensors are not as they were when they were read",
        remedy: "do not change files in use")
    }
  }

  /// Weights that are open already: what was read of them since is what will be read again while they are unchanged.
  public init(_ weights: WeightsFile) { self.weights = weights }

  /// The file.
  public var url: URL { weights.url }

  /// Whether nobody has written to the file since it was opened.
  public var isUnchanged: Bool { (try? weights.tensors.versions()) == weights.versions }

  /// Fills `target` with the values of a range of the flat order, which has as many elements.
  ///
  /// Throws `Failure` when reading fails. Traps on a range outside of the layout.
  public func read(_ range: Range<Int>, into target: UnsafeMutableBufferPointer<Float>) throws {
    try weights.read(range, into: target)
  }

  /// Whether a range of the flat order has these values, to the bit.
  ///
  /// Throws `Failure` when reading fails.
  public func holds(_ values: Tensor, at range: Range<Int>) throws -> Bool {
    precondition(values.count == range.count)
    let piece = Tensor(uninitialized: [min(range.count, 1 << 20)])
    for start in stride(from: 0, to: range.count, by: piece.count) {
      let stored = piece.slice(0..<min(piece.count, range.count - start))
      try read(range.lowerBound + start..<range.lowerBound + start + stored.count, into: stored.buffer)
      let size = stored.count * MemoryLayout<Float>.stride
      guard memcmp(stored.pointer, values.pointer + start, size) == 0 else { return false }
    }
    return true
  }
}
