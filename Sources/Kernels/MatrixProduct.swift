import Tensors

/// A window on a row-major matrix that may skip elements between rows, and may be read transposed.
///
/// Attention heads are such windows: `[tokens, headWidth]` inside `[tokens, 3 * width]`.
public struct MatrixView {
  /// First element.
  public var base: UnsafeMutableRawPointer
  /// How elements are stored.
  public var format: ElementFormat
  /// Rows as stored.
  public var rows: Int
  /// Columns as stored.
  public var columns: Int
  /// Elements from one stored row to the next.
  public var stride: Int
  /// Whether the product sees columns as rows.
  public var isTransposed = false

  /// A window of `rows` x `columns` whose rows lie `stride` elements apart.
  public init(base: UnsafeMutableRawPointer, _ format: ElementFormat, rows: Int, columns: Int, stride: Int) {
    precondition(stride >= columns, "rows of \(columns) elements overlap at a stride of \(stride)")
    self.base = base
    self.format = format
    self.rows = rows
    self.columns = columns
    self.stride = stride
  }

  /// The same of 32-bit floats.
  public init(_ pointer: UnsafeMutablePointer<Float>, rows: Int, columns: Int, stride: Int) {
    self.init(base: UnsafeMutableRawPointer(pointer), .float32, rows: rows, columns: columns, stride: stride)
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

  /// First element of a window on 32-bit floats; traps for other formats.
  public var pointer: UnsafeMutablePointer<Float> {
    precondition(format == .float32, "the elements are not 32-bit floats")
    return base.assumingMemoryBound(to: Float.self)
  }
}

/// What a product does with the former content of its result.
public enum Accumulation: Sendable {
  /// The content is overwritten.
  case replace
  /// The product is added to it.
  case add
}

/// What becomes of a product: `c = activation(a b + bias)`, or `c += a b + bias`.
public struct Epilogue: Sendable {
  /// Whether the result is added to what is there; without an activation only.
  public var accumulation: Accumulation
  /// Added to every row, `[n]`.
  public var bias: Tensor?
  /// Applied to every element.
  public var activation: Activation?

  /// By default the product as it is, which overwrites what is there.
  public init(_ accumulation: Accumulation = .replace, bias: Tensor? = nil, activation: Activation? = nil) {
    precondition(accumulation == .replace || activation == nil, "an activation is not added to anything")
    self.accumulation = accumulation
    self.bias = bias
    self.activation = activation
  }
}

/// Matrix products, behind which the libraries stand.
public protocol MatrixProduct: Sendable {
  /// How this product likes its factors; it takes 32-bit floats as well.
  var operandFormat: ElementFormat { get }

  /// Where the rows of a product change from call to call, multiples of this keep the number of shapes small that have to be
  /// prepared; 1 where nothing is prepared.
  var rowMultiple: Int { get }

  /// `c = a b`, and what `epilogue` asks for.
  ///
  /// Shapes: a `[m, k]`, b `[k, n]`, c `[m, n]`, c not transposed and not overlapping a or b. Traps where they disagree. Both
  /// factors have one format; the result is of 32-bit floats, or has that format.
  func multiply(_ a: MatrixView, _ b: MatrixView, into c: MatrixView, _ epilogue: Epilogue)

  /// `c = a b` on the calling thread alone, inside a loop of the thread pool: for many small products at a time.
  func multiplyInTask(_ a: MatrixView, _ b: MatrixView, into c: MatrixView)
}

extension MatrixProduct {
  /// Nothing is prepared.
  public var rowMultiple: Int { 1 }

  /// `c = a b`, or `c += a b`.
  public func multiply(
    _ a: MatrixView, _ b: MatrixView, into c: MatrixView, _ accumulation: Accumulation = .replace
  ) {
    multiply(a, b, into: c, Epilogue(accumulation))
  }
}

/// Traps unless the three shapes of a product fit.
@inlinable
public func checkShapes(_ a: MatrixView, _ b: MatrixView, _ c: MatrixView) {
  precondition(!c.isTransposed, "a product's result is stored as it is")
  precondition(
    a.shape.columns == b.shape.rows && c.rows == a.shape.rows && c.columns == b.shape.columns,
    "cannot multiply \(a.shape) by \(b.shape) into \((c.rows, c.columns))")
  precondition(
    a.format == b.format && (c.format == .float32 || c.format == a.format),
    "cannot multiply \(a.format) by \(b.format) into \(c.format)")
}

/// The definition of a product, summed in double precision: slow, and the measure of all others.
public struct NaiveMatrixProduct: MatrixProduct {
  /// How factors are stored; results are the exact sums of what is stored, rounded once.
  public let operandFormat: ElementFormat

  /// A product of factors in the given format.
  public init(_ format: ElementFormat = .float32) { operandFormat = format }

  /// Sums each element on its own.
  public func multiply(_ a: MatrixView, _ b: MatrixView, into c: MatrixView, _ epilogue: Epilogue) {
    checkShapes(a, b, c)
    for row in 0..<c.rows {
      for column in 0..<c.columns {
        var sum = epilogue.accumulation == .add ? Double(c[row, column]) : 0
        for k in 0..<a.shape.columns { sum += Double(a[row, k]) * Double(b[k, column]) }
        if let bias = epilogue.bias { sum += Double(bias[column]) }
        c[row, column] = epilogue.activation.map { $0.value(Float(sum)) } ?? Float(sum)
      }
    }
  }

  /// The same: it has no threads.
  public func multiplyInTask(_ a: MatrixView, _ b: MatrixView, into c: MatrixView) { multiply(a, b, into: c) }
}

extension MatrixView {
  fileprivate subscript(_ row: Int, _ column: Int) -> Float {
    get {
      let index = isTransposed ? column * stride + row : row * stride + column
      if format == .float32 { return pointer[index] }
      return HalfPrecision.float(fromBFloat16: base.assumingMemoryBound(to: UInt16.self)[index])
    }
    nonmutating set {
      let index = row * stride + column
      if format == .float32 {
        pointer[index] = newValue
      } else {
        base.assumingMemoryBound(to: UInt16.self)[index] = HalfPrecision.bfloat16(rounding: newValue)
      }
    }
  }
}

extension Activation {
  /// Its value at one point.
  fileprivate func value(_ x: Float) -> Float {
    let (x, y) = (Tensor([x]), Tensor(uninitialized: [1]))
    forward(x, into: y)
    return y[0]
  }
}
