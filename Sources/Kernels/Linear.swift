import Tensors

/// `y = x Wᵀ + b`, weights stored `[out, in]` as PyTorch does.
///
/// Backward: `dx = dy W`, `dW = dyᵀ x`, `db = Σ dy`.
public enum Linear {
  /// Writes `y [n, out]`, or what `activation` makes of it, from `x [n, in]`, `weight [out, in]` and, if there is one,
  /// `bias [out]`.
  public static func forward(
    _ x: Operand, weight: Operand, bias: Tensor?, activation: Activation? = nil, into y: Operand,
    by product: some MatrixProduct
  ) {
    product.multiply(x.view, weight.view.transposed, into: y.view, Epilogue(bias: bias, activation: activation))
  }

  /// Adds `x Wᵀ + b` to `y [n, out]`.
  public static func forward(
    _ x: Operand, weight: Operand, bias: Tensor, addingTo y: Tensor, by product: some MatrixProduct
  ) {
    product.multiply(x.view, weight.view.transposed, into: MatrixView(y), Epilogue(.add, bias: bias))
  }

  /// Writes `dx [n, in]` from `dy [n, out]`.
  public static func backwardInput(_ dy: Operand, weight: Operand, into dx: Operand, by product: some MatrixProduct) {
    product.multiply(dy.view, weight.view, into: dx.view)
  }

  /// Writes `dWeight [out, in]`.
  public static func backwardWeight(_ dy: Operand, x: Operand, into dWeight: Tensor, by product: some MatrixProduct) {
    product.multiply(dy.view.transposed, x.view, into: MatrixView(dWeight))
  }

  /// Writes `dBias [out]`.
  public static func backwardBias(_ dy: Operand, into dBias: Tensor) {
    dBias.fill(0)
    ElementWise.addColumnSums(of: dy, to: dBias)
  }
}
