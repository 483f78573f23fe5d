/// A dense row-major array of 32-bit floats: a shape and a window on a shared `FloatStorage`.
///
/// Copies and views share elements, as in NumPy: `tensor.rows(2..<4)` written to changes `tensor`. The compute code is
/// written in terms of matrices `[rows, columns]`; higher ranks only name what the rows are.
public struct Tensor: @unchecked Sendable {
  /// The elements, possibly more than this tensor shows.
  public let storage: FloatStorage
  /// Where this tensor starts in `storage`, in elements.
  public let offset: Int
  /// Extent of each dimension, outermost first.
  ///
  /// Empty for a scalar.
  public let shape: [Int]
  /// Elements in this tensor.
  public let count: Int

  /// A view of `shape` elements of `storage` from `offset`.
  public init(_ storage: FloatStorage, offset: Int = 0, shape: [Int]) {
    let count = shape.reduce(1, *)
    precondition(
      offset >= 0 && shape.allSatisfy { $0 >= 0 } && offset + count <= storage.count,
      "a view of shape \(shape) at \(offset) does not fit into \(storage.count) elements")
    self.storage = storage
    self.offset = offset
    self.shape = shape
    self.count = count
  }

  /// New memory whose content is not defined yet.
  public init(uninitialized shape: [Int]) {
    self.init(FloatStorage(uninitialized: shape.reduce(1, *)), shape: shape)
  }

  /// New memory filled with `value`.
  public init(repeating value: Float, shape: [Int]) {
    self.init(uninitialized: shape)
    fill(value)
  }

  /// New memory filled with zeros.
  public init(zeros shape: [Int]) {
    self.init(FloatStorage(zeros: shape.reduce(1, *)), offset: 0, shape: shape)
  }

  /// New memory that holds a copy of `elements`, one dimension unless a shape is given.
  public init(_ elements: [Float], shape: [Int]? = nil) {
    let shape = shape ?? [elements.count]
    precondition(shape.reduce(1, *) == elements.count, "\(elements.count) elements do not fill shape \(shape)")
    self.init(uninitialized: shape)
    pointer.update(from: elements, count: elements.count)
  }

  /// First element.
  ///
  /// Valid while the tensor's storage is alive.
  public var pointer: UnsafeMutablePointer<Float> { storage.pointer + offset }

  /// All elements, in row-major order.
  ///
  /// Valid while the tensor's storage is alive.
  public var buffer: UnsafeMutableBufferPointer<Float> { UnsafeMutableBufferPointer(start: pointer, count: count) }

  /// A copy of the elements, in row-major order.
  public var array: [Float] { Array(buffer) }

  /// One element, by its row-major position.
  public subscript(_ index: Int) -> Float {
    get { buffer[index] }
    nonmutating set { buffer[index] = newValue }
  }
}

// MARK: - Views

extension Tensor {
  /// Elements of one row when the tensor is read as a matrix: the last dimension.
  public var columnCount: Int { shape.last ?? 1 }

  /// Rows when the tensor is read as a matrix: all dimensions but the last.
  public var rowCount: Int { shape.dropLast().reduce(1, *) }

  /// The same elements under another shape.
  public func reshaped(_ shape: [Int]) -> Tensor {
    precondition(shape.reduce(1, *) == count, "\(self.shape) cannot be read as \(shape)")
    return Tensor(storage, offset: offset, shape: shape)
  }

  /// The same elements as a matrix `[rowCount, columnCount]`.
  public var matrix: Tensor { reshaped([rowCount, columnCount]) }

  /// A window on consecutive rows of the matrix, as a matrix.
  public func rows(_ range: Range<Int>) -> Tensor {
    precondition(range.lowerBound >= 0 && range.upperBound <= rowCount, "rows \(range) of \(rowCount)")
    return Tensor(storage, offset: offset + range.lowerBound * columnCount, shape: [range.count, columnCount])
  }

  /// One row of the matrix, as a vector.
  public func row(_ index: Int) -> Tensor { rows(index..<index + 1).reshaped([columnCount]) }

  /// A window on consecutive elements, as a vector.
  public func slice(_ range: Range<Int>) -> Tensor {
    precondition(range.lowerBound >= 0 && range.upperBound <= count, "elements \(range) of \(count)")
    return Tensor(storage, offset: offset + range.lowerBound, shape: [range.count])
  }
}

// MARK: - Memory

extension Tensor {
  /// Gives the elements' memory back to the system, as far as its pages hold nothing else: they are lost, and whoever reads
  /// or writes them before `restore` traps.
  ///
  /// Nothing happens to tensors that are small, or lie in memory that somebody else keeps.
  public func discard() { storage.discard(offset..<offset + count) }

  /// Makes a discarded tensor good for use: what was given back is zero.
  public func restore() { storage.restore(offset..<offset + count) }
}

// MARK: - Copies

extension Tensor {
  /// Sets every element.
  public func fill(_ value: Float) { pointer.update(repeating: value, count: count) }

  /// Overwrites the elements with those of a tensor of the same size, which must not overlap.
  public func copy(from source: Tensor) {
    precondition(source.count == count, "cannot copy \(source.shape) to \(shape)")
    pointer.update(from: source.pointer, count: count)
  }

  /// Overwrites the rows with those of `source` that are named, which must not overlap.
  public func copy(rows indices: [Int], of source: Tensor) {
    precondition(
      rowCount == indices.count && columnCount == source.columnCount,
      "cannot copy \(indices.count) rows of \(source.shape) to \(shape)")
    for position in indices.indices {
      precondition(indices[position] < source.rowCount, "row \(indices[position]) of \(source.rowCount)")
      (pointer + position * columnCount).update(
        from: source.pointer + indices[position] * columnCount, count: columnCount)
    }
  }

  /// New memory with the same elements and shape.
  public func copied() -> Tensor {
    let copy = Tensor(uninitialized: shape)
    copy.copy(from: self)
    return copy
  }

  /// New memory that holds the given rows of the matrix, in the given order.
  public func gathered(rows indices: [Int]) -> Tensor {
    let result = Tensor(uninitialized: [indices.count, columnCount])
    result.copy(rows: indices, of: self)
    return result
  }
}
