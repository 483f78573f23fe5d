import Tensors

/// `y = x Wᵀ + b`, weights stored `[out, in]` as PyTorch does.
///
/// Backward: `dx = dy W`, `dW += dyᵀ x`, `db += Σ dy`.
public enum Linear {
  /// Writes `y [n, out]` from `x [n, in]`, `weight [out, in]` and, if there is one, `bias [out]`.
  public static func forward(
    _ x: Tensor, weight: Tensor, bias: Tensor?, into y: Tensor, by product: some MatrixProduct
  ) {
    product.multiply(MatrixView(x), MatrixView(weight).transposed, into: MatrixView(y))
    if let bias { ElementWise.addToRows(y, bias) }
  }

  /// Writes `dx [n, in]` from `dy [n, out]`.
  public static func backwardInput(_ dy: Tensor, weight: Tensor, into dx: Tensor, by product: some MatrixProduct) {
    product.multiply(MatrixView(dy), MatrixView(weight), into: MatrixView(dx))
  }

  /// Adds to `dWeight [out, in]` and, if there is one, `dBias [out]`.
  public static func backwardParameters(
    _ dy: Tensor, x: Tensor, dWeight: Tensor, dBias: Tensor?, by product: some MatrixProduct
  ) {
    product.multiply(MatrixView(dy).transposed, MatrixView(x), into: MatrixView(dWeight), .add)
    if let dBias { ElementWise.addColumnSums(of: dy, to: dBias) }
  }
}
