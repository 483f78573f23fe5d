import Tensors

/// A window on a row-major matrix that may skip elements between rows, and may be read transposed.
///
/// Attention heads are such windows: `[tokens, headWidth]` inside `[tokens, 3 * width]`.
public struct MatrixView {
  /// First element.
  public var pointer: UnsafeMutablePointer<Float>
  /// Rows as stored.
  public var rows: Int
  /// Columns as stored.
  public var columns: Int
  /// Elements from one stored row to the next.
  public var stride: Int
  /// Whether the product sees columns as rows.
  public var isTransposed = false

  /// A window of `rows` x `columns` whose rows lie `stride` elements apart.
  public init(_ pointer: UnsafeMutablePointer<Float>, rows: Int, columns: Int, stride: Int) {
    precondition(stride >= columns, "rows of \(columns) elements overlap at a stride of \(stride)")
    self.pointer = pointer
    self.rows = rows
    self.columns = columns
    self.stride = stride
  }

  /// All of a tensor, read as a matrix `[rowCount, columnCount]`.
  ///
  /// The tensor must outlive the view.
  public init(_ tensor: Tensor) {
    self.init(tensor.pointer, rows: tensor.rowCount, columns: tensor.columnCount, stride: tensor.columnCount)
  }

  /// The same elements read with rows and columns exchanged.
  public var transposed: MatrixView {
    var view = self
    view.isTransposed.toggle()
    return view
  }

  /// Rows and columns as the product sees them.
  public var shape: (rows: Int, columns: Int) { isTransposed ? (columns, rows) : (rows, columns) }
}

/// What a product does with the former content of its result.
public enum Accumulation: Sendable {
  /// The content is overwritten.
  case replace
  /// The product is added to it.
  case add
}

/// Matrix products, behind which the libraries stand.
///
/// What wraps another product hands all requirements on: the default of one may be slower than the wrapped product's own.
public protocol MatrixProduct: Sendable {
  /// `c = a b`, or `c += a b`.
  ///
  /// Shapes: a `[m, k]`, b `[k, n]`, c `[m, n]`, c not transposed and not overlapping a or b. Traps where they disagree.
  func multiply(_ a: MatrixView, _ b: MatrixView, into c: MatrixView, _ accumulation: Accumulation)

  /// `c = a b` on the calling thread alone, inside a loop of the thread pool: for many small products at a time.
  func multiplyInTask(_ a: MatrixView, _ b: MatrixView, into c: MatrixView)
}

extension MatrixProduct {
  /// `c = a b`.
  public func multiply(_ a: MatrixView, _ b: MatrixView, into c: MatrixView) { multiply(a, b, into: c, .replace) }
}

/// Traps unless the three shapes of a product fit.
@inlinable
public func checkShapes(_ a: MatrixView, _ b: MatrixView, _ c: MatrixView) {
  precondition(!c.isTransposed, "a product's result is stored as it is")
  precondition(
    a.shape.columns == b.shape.rows && c.rows == a.shape.rows && c.columns == b.shape.columns,
    "cannot multiply \(a.shape) by \(b.shape) into \((c.rows, c.columns))")
}

/// The definition of a product, summed in double precision: slow, and the measure of all others.
public struct NaiveMatrixProduct: MatrixProduct {
  /// The naive product has no state.
  public init() {}

  /// Sums each element on its own.
  public func multiply(_ a: MatrixView, _ b: MatrixView, into c: MatrixView, _ accumulation: Accumulation) {
    checkShapes(a, b, c)
    for row in 0..<c.rows {
      for column in 0..<c.columns {
        var sum = accumulation == .add ? Double(c.pointer[row * c.stride + column]) : 0
        for k in 0..<a.shape.columns { sum += Double(a[row, k]) * Double(b[k, column]) }
        c.pointer[row * c.stride + column] = Float(sum)
      }
    }
  }

  /// The same: it has no threads.
  public func multiplyInTask(_ a: MatrixView, _ b: MatrixView, into c: MatrixView) { multiply(a, b, into: c) }
}

extension MatrixView {
  fileprivate subscript(_ row: Int, _ column: Int) -> Float {
    isTransposed ? pointer[column * stride + row] : pointer[row * stride + column]
  }
}
