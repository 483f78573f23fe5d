import CKernels
import Synchronization
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

  /// `sums += Σ x[r]` over the rows.
  public static func addColumnSums(of x: Operand, to sums: Tensor) {
    precondition(x.columnCount == sums.count, "cannot add column sums of \(x.columnCount) to \(sums.shape)")
    ThreadPool.shared.splitColumns(x.rowCount, x.columnCount) {
      let (start, target) = ($0.lowerBound, sums.pointer + $0.lowerBound)
      switch x.format {
      case .float32: skt_add_column_sums(target, x.tensor.pointer + start, x.columnCount, x.rowCount, $0.count)
      case .bfloat16: skt_bf16_add_column_sums(target, x.bits + start, x.columnCount, x.rowCount, $0.count)
      }
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
  public static func isFinite(_ x: Tensor) -> Bool {
    let isFinite = Atomic(true)
    ThreadPool.shared.splitElements(of: x) {
      if skt_all_finite(x.pointer + $0.lowerBound, $0.count) == 0 { isFinite.store(false, ordering: .relaxed) }
    }
    return isFinite.load(ordering: .relaxed)
  }
}

/// The non-linearity between the two products of a block's MLP.
public enum Activation: String, Sendable, CaseIterable {
  /// `x sigmoid(1.702 x)`: OpenAI's weights.
  case quickGELU = "quick_gelu"
  /// `x Φ(x)`, exact: OpenCLIP's weights.
  case gelu

  /// Writes `y` from `x`, element by element; `y` may be `x`.
  public func forward(_ x: Tensor, into y: Tensor) { forward(Operand(x), into: Operand(y)) }

  /// The same of operands, which have one format.
  public func forward(_ x: Operand, into y: Operand) {
    precondition(x.count == y.count && x.format == y.format, "cannot write \(x.count) elements to \(y.count)")
    ThreadPool.shared.split(x.count, grain: ThreadPool.grain) {
      let start = $0.lowerBound
      switch (self, x.format) {
      case (.quickGELU, .float32): skt_quick_gelu(y.tensor.pointer + start, x.tensor.pointer + start, $0.count)
      case (.gelu, .float32): skt_gelu(y.tensor.pointer + start, x.tensor.pointer + start, $0.count)
      case (.quickGELU, .bfloat16): skt_bf16_quick_gelu(y.bits + start, x.bits + start, $0.count)
      case (.gelu, .bfloat16): skt_bf16_gelu(y.bits + start, x.bits + start, $0.count)
      }
    }
  }

  /// Turns `dy`, the gradient of the result, into the gradient of `x`, in place.
  public func backward(_ dy: Tensor, x: Tensor) { backward(Operand(dy), x: Operand(x)) }

  /// The same of operands, which have one format.
  public func backward(_ dy: Operand, x: Operand) {
    precondition(x.count == dy.count && x.format == dy.format, "a gradient of \(dy.count) does not fit \(x.count)")
    ThreadPool.shared.split(x.count, grain: ThreadPool.grain) {
      let start = $0.lowerBound
      switch x.format {
      case .float32:
        let loop = self == .quickGELU ? skt_quick_gelu_backward : skt_gelu_backward
        let gradient = dy.tensor.pointer + start
        loop(gradient, gradient, x.tensor.pointer + start, $0.count)
      case .bfloat16:
        let loop = self == .quickGELU ? skt_bf16_quick_gelu_backward : skt_bf16_gelu_backward
        loop(dy.bits + start, dy.bits + start, x.bits + start, $0.count)
      }
    }
  }
}

extension Epilogue {
  /// Does to a result of 32-bit floats what was asked for beside the product: for products that cannot.
  public func finish(_ c: MatrixView) {
    for row in 0..<c.rows where bias != nil || activation != nil {
      let elements = c.pointer + row * c.stride
      if let bias { skt_add(elements, bias.pointer, c.columns) }
      switch activation {
      case .quickGELU: skt_quick_gelu(elements, elements, c.columns)
      case .gelu: skt_gelu(elements, elements, c.columns)
      case nil: break
      }
    }
  }
}
