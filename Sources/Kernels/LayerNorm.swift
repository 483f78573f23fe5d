import CKernels
import Tensors

/// `y = (x - mean(x)) / sqrt(var(x) + eps) * gamma + beta`, row by row (Ba et al., 2016).
public enum LayerNorm {
  /// What the backward pass needs beside `x`: mean and reciprocal deviation of each row, `[n]` each.
  public struct Statistics {
    let mean: Tensor
    let reciprocalDeviation: Tensor

    /// Room for the statistics of `rows` rows.
    public init(rows: Int, in arena: Arena) {
      mean = arena.tensor([rows])
      reciprocalDeviation = arena.tensor([rows])
    }
  }

  /// Writes `y [n, w]` and the statistics from `x [n, w]`; `y` may be `x`.
  public static func forward(
    _ x: Tensor, weight: Tensor, bias: Tensor, epsilon: Float, into y: Tensor, _ statistics: Statistics
  ) {
    forward(x, weight: weight, bias: bias, epsilon: epsilon, into: Operand(y), statistics)
  }

  /// The same into an operand.
  public static func forward(
    _ x: Tensor, weight: Tensor, bias: Tensor, epsilon: Float, into y: Operand, _ statistics: Statistics
  ) {
    precondition(x.count == y.count && weight.count == x.columnCount && bias.count == x.columnCount)
    ThreadPool.shared.splitRows(of: x) { rows in
      let start = rows.lowerBound * x.columnCount
      let (mean, deviation) = (statistics.mean.pointer, statistics.reciprocalDeviation.pointer)
      switch y.format {
      case .float32:
        skt_layer_norm(
          y.tensor.pointer + start, mean + rows.lowerBound, deviation + rows.lowerBound, x.pointer + start,
          weight.pointer, bias.pointer, rows.count, x.columnCount, epsilon)
      case .bfloat16:
        skt_bf16_layer_norm(
          y.bits + start, mean + rows.lowerBound, deviation + rows.lowerBound, x.pointer + start, weight.pointer,
          bias.pointer, rows.count, x.columnCount, epsilon)
      }
    }
  }

  /// Adds the gradient of `x` to `dx [n, w]`, and writes those of weight and bias to `dWeight [w]` and `dBias [w]`, which
  /// are nil where these are frozen.
  public static func backward(
    _ dy: Tensor, x: Tensor, weight: Tensor, _ statistics: Statistics, addingTo dx: Tensor, dWeight: Tensor?,
    dBias: Tensor?
  ) {
    precondition(dy.count == x.count && dx.count == x.count && weight.count == x.columnCount)
    let (mean, deviation) = (statistics.mean.pointer, statistics.reciprocalDeviation.pointer)
    ThreadPool.shared.splitRows(of: x) { rows in
      let start = rows.lowerBound * x.columnCount
      skt_layer_norm_backward(
        dx.pointer + start, dy.pointer + start, x.pointer + start, mean + rows.lowerBound,
        deviation + rows.lowerBound, weight.pointer, rows.count, x.columnCount)
    }
    guard let dWeight, let dBias else { return }
    precondition(dWeight.count == x.columnCount && dBias.count == x.columnCount)
    dWeight.fill(0)
    dBias.fill(0)
    ThreadPool.shared.splitColumns(x.rowCount, x.columnCount) { columns in
      let start = columns.lowerBound
      skt_layer_norm_backward_parameters(
        dWeight.pointer + start, dBias.pointer + start, dy.pointer + start, x.pointer + start, mean, deviation,
        x.columnCount, x.rowCount, columns.count)
    }
  }
}
