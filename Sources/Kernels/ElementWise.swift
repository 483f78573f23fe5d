import CKernels
import Tensors

/// Loops over elements and rows that belong to no layer.
public enum ElementWise {
  /// `y += x`.
  public static func add(_ x: Tensor, to y: Tensor) {
    precondition(x.count == y.count, "cannot add \(x.shape) to \(y.shape)")
    ThreadPool.shared.splitElements(of: y) { skt_add(y.pointer + $0.lowerBound, x.pointer + $0.lowerBound, $0.count) }
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
    ThreadPool.shared.splitRows(of: x) {
      skt_add_to_rows(x.pointer + $0.lowerBound * x.columnCount, bias.pointer, $0.count, x.columnCount)
    }
  }

  /// `sums += Σ x[r]` over the rows.
  public static func addColumnSums(of x: Tensor, to sums: Tensor) {
    precondition(x.columnCount == sums.count, "cannot add column sums of \(x.shape) to \(sums.shape)")
    ThreadPool.shared.splitColumns(of: x) {
      skt_add_column_sums(
        sums.pointer + $0.lowerBound, x.pointer + $0.lowerBound, x.columnCount, x.rowCount, $0.count)
    }
  }

  /// `change = scale * (former - x); x = former`.
  public static func takeBack(_ x: Tensor, to former: Tensor, scale: Float, change: Tensor) {
    precondition(x.count == former.count && x.count == change.count, "cannot take \(x.shape) back to \(former.shape)")
    ThreadPool.shared.splitElements(of: x) {
      skt_take_back(
        x.pointer + $0.lowerBound, change.pointer + $0.lowerBound, former.pointer + $0.lowerBound, $0.count, scale)
    }
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

  /// Writes `y` from `x`, element by element; `y` may be `x`.
  public func forward(_ x: Tensor, into y: Tensor) {
    precondition(x.count == y.count, "cannot write \(x.shape) to \(y.shape)")
    let loop = self == .quickGELU ? skt_quick_gelu : skt_gelu
    ThreadPool.shared.splitElements(of: x) { loop(y.pointer + $0.lowerBound, x.pointer + $0.lowerBound, $0.count) }
  }

  /// Turns `dy`, the gradient of the result, into the gradient of `x`, in place.
  public func backward(_ dy: Tensor, x: Tensor) {
    precondition(x.count == dy.count, "gradient \(dy.shape) does not fit \(x.shape)")
    let loop = self == .quickGELU ? skt_quick_gelu_backward : skt_gelu_backward
    ThreadPool.shared.splitElements(of: x) {
      let gradient = dy.pointer + $0.lowerBound
      loop(gradient, gradient, x.pointer + $0.lowerBound, $0.count)
    }
  }
}
