import Kernels
import Tensors

/// The pre-norm residual block of both encoders: `x += attention(norm1(x))`, then `x += mlp(norm2(x))`.
///
/// Legend: n tokens of the packed batch, w width, m MLP width.
struct TransformerBlock: Sendable {
  let attention: Attention
  let activation: Activation
  let epsilon: Float

  /// What the backward pass of one block needs; valid until the arena is reset.
  struct Tape {
    let input: Tensor  // [n, w]
    let statistics1: LayerNorm.Statistics
    let normalized1: Tensor  // [n, w]
    let qkv: Tensor  // [n, 3w]
    let probabilities: Tensor  // a square per sequence and head
    let context: Tensor  // [n, w]
    let middle: Tensor  // [n, w], between attention and MLP
    let statistics2: LayerNorm.Statistics
    let normalized2: Tensor  // [n, w]
    let expanded: Tensor  // [n, m], before the activation
    let activated: Tensor  // [n, m]
  }

  /// Runs the block on `x [n, w]`, in place.
  func forward(
    _ x: Tensor, _ layout: SequenceLayout, _ parameters: BlockParameters, arena: Arena, by product: some MatrixProduct
  ) -> Tape {
    let tape = makeTape(x, layout, parameters, arena)
    tape.input.copy(from: x)
    LayerNorm.forward(
      x, weight: parameters.norm1.weight, bias: parameters.norm1.bias, epsilon: epsilon, into: tape.normalized1,
      tape.statistics1)
    apply(parameters.qkv, to: tape.normalized1, into: tape.qkv, by: product)
    attention.forward(qkv: tape.qkv, layout, probabilities: tape.probabilities, into: tape.context, by: product)
    addToResidual(x, parameters.output, tape.context, arena, by: product)

    tape.middle.copy(from: x)
    LayerNorm.forward(
      x, weight: parameters.norm2.weight, bias: parameters.norm2.bias, epsilon: epsilon, into: tape.normalized2,
      tape.statistics2)
    apply(parameters.expansion, to: tape.normalized2, into: tape.expanded, by: product)
    activation.forward(tape.expanded, into: tape.activated)
    addToResidual(x, parameters.contraction, tape.activated, arena, by: product)
    return tape
  }

  /// Turns `dx [n, w]`, the gradient of the block's result, into that of its input, in place; adds to `gradients`.
  func backward(
    _ dx: Tensor, _ layout: SequenceLayout, _ parameters: BlockParameters, _ tape: Tape, gradients: BlockParameters,
    arena: Arena, by product: some MatrixProduct
  ) {
    arena.scoped {
      let dActivated = backward(
        dx, through: parameters.contraction, x: tape.activated, gradients.contraction, arena, by: product)
      activation.backward(dActivated, x: tape.expanded)
      let dNormalized2 = backward(
        dActivated, through: parameters.expansion, x: tape.normalized2, gradients.expansion, arena, by: product)
      LayerNorm.backward(
        dNormalized2, x: tape.middle, weight: parameters.norm2.weight, tape.statistics2, addingTo: dx,
        dWeight: gradients.norm2.weight, dBias: gradients.norm2.bias)
    }
    arena.scoped {
      let dContext = backward(dx, through: parameters.output, x: tape.context, gradients.output, arena, by: product)
      let dqkv = arena.tensor(tape.qkv.shape)
      attention.backward(
        dContext, qkv: tape.qkv, probabilities: tape.probabilities, layout,
        scratch: arena.tensor(tape.probabilities.shape), into: dqkv, by: product)
      let dNormalized1 = backward(dqkv, through: parameters.qkv, x: tape.normalized1, gradients.qkv, arena, by: product)
      LayerNorm.backward(
        dNormalized1, x: tape.input, weight: parameters.norm1.weight, tape.statistics1, addingTo: dx,
        dWeight: gradients.norm1.weight, dBias: gradients.norm1.bias)
    }
  }
}

// MARK: - Parts

extension TransformerBlock {
  private func makeTape(
    _ x: Tensor, _ layout: SequenceLayout, _ parameters: BlockParameters, _ arena: Arena
  ) -> Tape {
    let (n, w, m) = (x.rowCount, x.columnCount, parameters.expansion.bias.count)
    precondition(n == layout.tokenCount, "\(n) rows do not hold the sequences of \(layout.tokenCount) tokens")
    return Tape(
      input: arena.tensor([n, w]), statistics1: LayerNorm.Statistics(rows: n, in: arena),
      normalized1: arena.tensor([n, w]), qkv: arena.tensor([n, 3 * w]),
      probabilities: arena.tensor([attention.probabilityCount(layout)]), context: arena.tensor([n, w]),
      middle: arena.tensor([n, w]), statistics2: LayerNorm.Statistics(rows: n, in: arena),
      normalized2: arena.tensor([n, w]), expanded: arena.tensor([n, m]), activated: arena.tensor([n, m]))
  }

  private func apply(_ layer: AffineParameters, to x: Tensor, into y: Tensor, by product: some MatrixProduct) {
    Linear.forward(x, weight: layer.weight, bias: layer.bias, into: y, by: product)
  }

  /// `residual += layer(x)`.
  private func addToResidual(
    _ residual: Tensor, _ layer: AffineParameters, _ x: Tensor, _ arena: Arena, by product: some MatrixProduct
  ) {
    product.multiply(MatrixView(x), MatrixView(layer.weight).transposed, into: MatrixView(residual), .add)
    ElementWise.addToRows(residual, layer.bias)
  }

  /// Adds a linear layer's parameter gradients to `gradients` and returns the gradient of its input.
  private func backward(
    _ dy: Tensor, through layer: AffineParameters, x: Tensor, _ gradients: AffineParameters, _ arena: Arena,
    by product: some MatrixProduct
  ) -> Tensor {
    Linear.backwardParameters(dy, x: x, dWeight: gradients.weight, dBias: gradients.bias, by: product)
    let dx = arena.tensor(x.shape)
    Linear.backwardInput(dy, weight: layer.weight, into: dx, by: product)
    return dx
  }
}
