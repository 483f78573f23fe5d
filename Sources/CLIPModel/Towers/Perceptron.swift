import Kernels
import Tensors

// The second half of a block: `x += contraction(activation(expansion(norm2(x))))`, row by row. Legend: q rows, w width, m
// MLP width.

extension TransformerBlock {
  /// What its backward pass needs.
  struct PerceptronTape {
    let input: Tensor  // [q, w]
    let statistics: LayerNorm.Statistics
    let normalized: Operand  // [q, w]
    let expanded: Operand  // [q, m], before the activation
    let activated: Operand  // [q, m]
    let output: Tensor  // [q, w]
  }

  /// Runs the second half; where no tape is kept, the result is `x` itself, overwritten.
  func forwardPerceptron(
    _ x: Tensor, _ parameters: BlockParameters, _ weights: BlockWeights, keepsTape: Bool, arena: Arena,
    by product: some MatrixProduct
  ) -> PerceptronTape {
    func operand(_ columns: Int) -> Operand {
      Operand(rows: x.rowCount, columns: columns, product.operandFormat, in: arena)
    }
    let expanded = operand(weights.expansion.rowCount)
    let tape = PerceptronTape(
      input: x, statistics: LayerNorm.Statistics(rows: x.rowCount, in: arena), normalized: operand(x.columnCount),
      expanded: expanded, activated: keepsTape ? operand(expanded.columnCount) : expanded,
      output: keepsTape ? arena.tensor(x.shape) : x)
    LayerNorm.forward(
      x, weight: parameters.norm2.weight, bias: parameters.norm2.bias, epsilon: epsilon, into: tape.normalized,
      tape.statistics)
    Linear.forward(
      tape.normalized, weight: weights.expansion, bias: parameters.expansion.bias,
      activation: keepsTape ? nil : activation, into: expanded, by: product)
    if keepsTape {
      activation.forward(expanded, into: tape.activated)
      tape.output.copy(from: x)
    }
    Linear.forward(
      tape.activated, weight: weights.contraction, bias: parameters.contraction.bias, addingTo: tape.output,
      by: product)
    return tape
  }

  /// Turns the gradient `dx [q, w]` of the result into that of the input, in place; writes `gradients`, which are nil where
  /// the block is frozen.
  func backwardPerceptron(
    _ dx: Tensor, _ parameters: BlockParameters, _ weights: BlockWeights, _ tape: PerceptronTape,
    gradients: BlockParameters?, arena: Arena, by product: some MatrixProduct
  ) {
    arena.scoped {
      let dActivated = Operand(
        rows: dx.rowCount, columns: tape.activated.columnCount, tape.activated.format, in: arena)
      AffineParameters.backward(
        Operand(dx), x: tape.activated, weight: weights.contraction, into: dActivated, gradients?.contraction, arena,
        by: product)
      activation.backward(dActivated, x: tape.expanded)
      let dNormalized = arena.tensor(dx.shape)
      AffineParameters.backward(
        dActivated, x: tape.normalized, weight: weights.expansion, into: Operand(dNormalized), gradients?.expansion,
        arena, by: product)
      LayerNorm.backward(
        dNormalized, x: tape.input, weight: parameters.norm2.weight, tape.statistics, addingTo: dx,
        dWeight: gradients?.norm2.weight, dBias: gradients?.norm2.bias)
    }
  }
}
