import CKernels
import Tensors

/// A dense matrix in the format in which products read their factors.
///
/// As tensors, operands share their elements when copied.
public struct Operand: Sendable {
  /// Rows.
  public let rowCount: Int
  /// Elements of a row.
  public let columnCount: Int
  /// How elements are stored.
  public let format: ElementFormat
  private let memory: Tensor
  private let offset: Int  // in elements

  private init(rows: Int, columns: Int, _ format: ElementFormat, _ memory: Tensor, offset: Int = 0) {
    precondition((offset + rows * columns) * format.size <= memory.count * ElementFormat.float32.size)
    (rowCount, columnCount, self.format, self.memory, self.offset) = (rows, columns, format, memory, offset)
  }

  /// A tensor's own elements, read as a matrix.
  public init(_ tensor: Tensor) {
    self.init(rows: tensor.rowCount, columns: tensor.columnCount, .float32, tensor)
  }

  /// Room for a matrix, cut from the arena.
  public init(rows: Int, columns: Int, _ format: ElementFormat, in arena: Arena) {
    self.init(rows: rows, columns: columns, format, arena.tensor([Self.floats(rows * columns, format)]))
  }

  /// New memory that holds a matrix, rounded.
  public init(_ tensor: Tensor, as format: ElementFormat) {
    let floats = Self.floats(tensor.count, format)
    self.init(rows: tensor.rowCount, columns: tensor.columnCount, format, Tensor(uninitialized: [floats]))
    round(tensor)
  }

  /// Floats that take the room of `count` numbers.
  private static func floats(_ count: Int, _ format: ElementFormat) -> Int { (count * format.size + 3) / 4 }

  /// Elements.
  public var count: Int { rowCount * columnCount }

  /// The whole matrix, as a factor or a result.
  public var view: MatrixView {
    MatrixView(base: base, format, rows: rowCount, columns: columnCount, stride: columnCount)
  }

  /// The elements of a matrix of 32-bit floats; traps for other formats.
  public var tensor: Tensor {
    precondition(format == .float32, "the elements are not 32-bit floats")
    return Tensor(memory.storage, offset: memory.offset + offset, shape: [rowCount, columnCount])
  }

  /// A window on consecutive rows.
  public func rows(_ range: Range<Int>) -> Operand {
    precondition(range.lowerBound >= 0 && range.upperBound <= rowCount, "rows \(range) of \(rowCount)")
    return Operand(
      rows: range.count, columns: columnCount, format, memory, offset: offset + range.lowerBound * columnCount)
  }

  /// Overwrites the elements with those of a tensor of the same size, rounded to nearest even.
  public func round(_ source: Tensor) {
    precondition(source.count == count, "cannot round \(source.shape) to \((rowCount, columnCount))")
    guard format == .bfloat16 else { return tensor.copy(from: source) }
    ThreadPool.shared.splitElements(of: source) {
      skt_bf16_round(bits + $0.lowerBound, source.pointer + $0.lowerBound, $0.count)
    }
  }

  /// Overwrites the rows with those of `source` that are named, which has the same format.
  public func copy(rows indices: [Int], of source: Operand) {
    precondition(
      rowCount == indices.count && columnCount == source.columnCount && format == source.format,
      "cannot copy \(indices.count) rows of \(source.columnCount) to \((rowCount, columnCount))")
    let rowSize = columnCount * format.size
    for position in indices.indices {
      precondition(indices[position] < source.rowCount, "row \(indices[position]) of \(source.rowCount)")
      (base + position * rowSize).copyMemory(from: source.base + indices[position] * rowSize, byteCount: rowSize)
    }
  }

  /// First element.
  var base: UnsafeMutableRawPointer { UnsafeMutableRawPointer(memory.pointer) + offset * format.size }

  /// First element of a matrix of bfloat16 numbers.
  var bits: UnsafeMutablePointer<UInt16> {
    precondition(format == .bfloat16)
    return base.assumingMemoryBound(to: UInt16.self)
  }
}

extension MatrixProduct {
  /// A matrix as this product reads its factors: `x` itself, or a rounded copy cut from the arena.
  public func operand(_ x: Tensor, _ arena: Arena) -> Operand { operand(Operand(x), arena) }

  /// The same of a matrix that may be rounded already.
  public func operand(_ x: Operand, _ arena: Arena) -> Operand {
    guard x.format != operandFormat else { return x }
    let rounded = Operand(rows: x.rowCount, columns: x.columnCount, operandFormat, in: arena)
    rounded.round(x.tensor)
    return rounded
  }
}
