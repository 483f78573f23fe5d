import Tensors

/// The values that a vector had before training, which differences are taken to.
///
/// They need not be in memory: a checkpoint asks for them in pieces of at most 2^20 elements, from several threads at once.
public struct BaseValues: Sendable {
  /// Fills the buffer with the elements of a range of the vector.
  let read: @Sendable (Range<Int>, UnsafeMutableBufferPointer<Float>) throws -> Void

  /// Values that `read` finds: it fills the buffer, which has as many elements as the range.
  public init(_ read: @escaping @Sendable (Range<Int>, UnsafeMutableBufferPointer<Float>) throws -> Void) {
    self.read = read
  }

  /// The elements of a tensor, which must hold the whole vector and must not change.
  public init(_ values: Tensor) {
    self.init { range, buffer in
      precondition(range.upperBound <= values.count, "base values \(range) of \(values.count)")
      _ = buffer.update(fromContentsOf: UnsafeBufferPointer(rebasing: values.buffer[range]))
    }
  }
}
