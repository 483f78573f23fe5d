import Kernels
import Tensors

// The second half of a block: `x += contraction(activation(expansion(norm2(x))))`, row by row. Legend: q rows, w width, m
// MLP width.

extension TransformerBlock {
  /// What its backward pass needs.
  struct PerceptronTape {
    let input: Tensor  // [q, w]
    let statistics: LayerNorm.Statistics
    let normalized: Tensor  // [q, w]
    let expanded: Tensor  // [q, m], before the activation
    let activated: Tensor  // [q, m]
    let output: Tensor  // [q, w]
  }

  /// Runs the second half; where no tape is kept, the result is `x` itself, overwritten.
  func forwardPerceptron(
    _ x: Tensor, _ parameters: BlockParameters, keepsTape: Bool, arena: Arena, by product: some MatrixProduct
  ) -> PerceptronTape {
    let expandedShape = [x.rowCount, parameters.expansion.bias.count]
    let expanded = arena.tensor(expandedShape)
    let tape = PerceptronTape(
      input: x, statistics: LayerNorm.Statistics(rows: x.rowCount, in: arena), normalized: arena.tensor(x.shape),
      expanded: expanded, activated: keepsTape ? arena.tensor(expandedShape) : expanded,
      output: keepsTape ? arena.tensor(x.shape) : x)
    LayerNorm.forward(
      x, weight: parameters.norm2.weight, bias: parameters.norm2.bias, epsilon: epsilon, into: tape.normalized,
      tape.statistics)
    Linear.forward(
      tape.normalized, weight: parameters.expansion.weight, bias: parameters.expansion.bias, into: expanded,
      by: product)
    activation.forward(expanded, into: tape.activated)
    if keepsTape { tape.output.copy(from: x) }
    add(parameters.contraction, of: tape.activated, to: tape.output, by: product)
    return tape
  }

  /// Turns the gradient `dx [q, w]` of the result into that of the input, in place; adds to `gradients`,
  /// which are nil where the block is frozen.
  func backwardPerceptron(
    _ dx: Tensor, _ parameters: BlockParameters, _ tape: PerceptronTape, gradients: BlockParameters?, arena: Arena,
    by product: some MatrixProduct
  ) {
    arena.scoped {
      let dActivated = Self.backward(
        dx, through: parameters.contraction, x: tape.activated, gradients?.contraction, arena, by: product)
      activation.backward(dActivated, x: tape.expanded)
      let dNormalized = Self.backward(
        dActivated, through: parameters.expansion, x: tape.normalized, gradients?.expansion, arena, by: product)
      LayerNorm.backward(
        dNormalized, x: tape.input, weight: parameters.norm2.weight, tape.statistics, addingTo: dx,
        dWeight: gradients?.norm2.weight, dBias: gradients?.norm2.bias)
    }
  }
}
