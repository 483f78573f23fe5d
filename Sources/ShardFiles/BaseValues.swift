import Tensors

/// The values that a vector had before training, which differences are taken to.
///
/// They need not be in memory: a checkpoint asks for them in pieces of at most 2^20 elements, from several threads at once.
public struct BaseValues: Sendable {
  /// Fills the buffer with the elements of a range of the vector.
  let read: @Sendable (Range<Int>, UnsafeMutableBufferPointer<Float>) throws -> Void

  /// Values that `read` finds: it fills the buffer, which has as many places as the range.
  public init(_ read: @escaping @Sendable (Range<Int>, UnsafeMutableBufferPointer<Float>) throws -> Void) {
    self.read = read
  }

  /// The elements of a tensor or of another vector, which must be the whole one and must not change.
  public init(_ values: some VectorSource & Sendable) { self.init { try values.read($0, into: $1) } }
}
