import CKernels
import Tensors

/// Loops over elements and rows that belong to no layer.
public enum ElementWise {
  /// `y += x`.
  public static func add(_ x: Tensor, to y: Tensor) {
    precondition(x.count == y.count, "cannot add \(x.shape) to \(y.shape)")
    skt_add(y.pointer, x.pointer, y.count)
  }

  /// `y[rows[i]] += x[i]`; a row may be named more than once.
  public static func add(_ x: Tensor, toRows rows: [Int], of y: Tensor) {
    precondition(
      x.rowCount == rows.count && x.columnCount == y.columnCount, "cannot add \(x.shape) to rows of \(y.shape)")
    for index in rows.indices {
      precondition(rows[index] < y.rowCount, "row \(rows[index]) of \(y.rowCount)")
      skt_add(y.pointer + rows[index] * y.columnCount, x.pointer + index * y.columnCount, y.columnCount)
    }
  }

  /// `x[r] += bias` for every row.
  public static func addToRows(_ x: Tensor, _ bias: Tensor) {
    precondition(x.columnCount == bias.count, "cannot add \(bias.shape) to rows of \(x.shape)")
    skt_add_to_rows(x.pointer, bias.pointer, x.rowCount, x.columnCount)
  }

  /// `sums += Σ x[r]` over the rows.
  public static func addColumnSums(of x: Tensor, to sums: Tensor) {
    precondition(x.columnCount == sums.count, "cannot add column sums of \(x.shape) to \(sums.shape)")
    skt_add_column_sums(sums.pointer, x.pointer, x.rowCount, x.columnCount)
  }

  /// Whether no element is infinite or NaN.
  public static func isFinite(_ x: Tensor) -> Bool { skt_all_finite(x.pointer, x.count) == 1 }
}

/// The non-linearity between the two products of a block's MLP.
public enum Activation: String, Sendable, CaseIterable {
  /// `x sigmoid(1.702 x)`: OpenAI's weights.
  case quickGELU = "quick_gelu"
  /// `x Φ(x)`, exact: OpenCLIP's weights.
  case gelu

  /// Writes `y` from `x`, element by element.
  public func forward(_ x: Tensor, into y: Tensor) {
    precondition(x.count == y.count, "cannot write \(x.shape) to \(y.shape)")
    switch self {
    case .quickGELU: skt_quick_gelu(y.pointer, x.pointer, x.count)
    case .gelu: skt_gelu(y.pointer, x.pointer, x.count)
    }
  }

  /// Turns `dy`, the gradient of the result, into the gradient of `x`, in place.
  public func backward(_ dy: Tensor, x: Tensor) {
    precondition(x.count == dy.count, "gradient \(dy.shape) does not fit \(x.shape)")
    switch self {
    case .quickGELU: skt_quick_gelu_backward(dy.pointer, dy.pointer, x.pointer, x.count)
    case .gelu: skt_gelu_backward(dy.pointer, dy.pointer, x.pointer, x.count)
    }
  }
}
