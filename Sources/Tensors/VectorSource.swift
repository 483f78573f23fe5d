/// Floats in a fixed order that are read piece by piece, so that they need not be in memory.
public protocol VectorSource {
  /// Elements.
  var count: Int { get }

  /// Fills `destination`, which has as many places as the range, with the elements of the range.
  ///
  /// Throws a `Failure` where they cannot be read; traps for a range beyond the end.
  func read(_ range: Range<Int>, into destination: UnsafeMutableBufferPointer<Float>) throws
}

extension VectorSource {
  /// The elements of a range, one dimension unless a shape is given, in new memory.
  public func tensor(_ range: Range<Int>, shape: [Int]? = nil) throws -> Tensor {
    let tensor = Tensor(uninitialized: shape ?? [range.count])
    try read(range, into: tensor.buffer)
    return tensor
  }

  /// Calls `body` with consecutive parts of a range and their elements, which are valid during the call only.
  ///
  /// Memory is that of one part, of at most `size` elements.
  public func forEachPiece(
    of range: Range<Int>, size: Int = 1 << 20, _ body: (_ part: Range<Int>, _ values: Tensor) throws -> Void
  ) throws {
    let piece = Tensor(uninitialized: [min(size, range.count)])
    for start in stride(from: range.lowerBound, to: range.upperBound, by: size) {
      let part = start..<min(start + size, range.upperBound)
      let values = piece.slice(0..<part.count)
      try read(part, into: values.buffer)
      try body(part, values)
    }
  }
}

extension Tensor: VectorSource {
  /// Copies elements, counted in row-major order.
  public func read(_ range: Range<Int>, into destination: UnsafeMutableBufferPointer<Float>) {
    precondition(destination.count == range.count, "\(destination.count) places for \(range.count) elements")
    _ = destination.update(fromContentsOf: slice(range).buffer)
  }
}
