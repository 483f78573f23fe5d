import Kernels
import Tensors

/// The pre-norm residual block of both encoders: `x += attention(norm1(x))`, then `x += mlp(norm2(x))`.
///
/// Where only some rows of the result are read, as after the last block, queries, output projection and MLP are computed
/// for those rows alone; keys and values always for all. Residuals, norms and gradients of parameters are 32-bit floats;
/// what products read is in the product's format. Legend: n tokens of the packed batch, q rows of the result (n unless
/// fewer are read), w width.
struct TransformerBlock: Sendable {
  let attention: Attention
  let activation: Activation
  let epsilon: Float

  /// Which rows of the result are made, and what they see.
  struct Rows: Sendable {
    /// Nil: all of them.
    let read: [Int]?
    let scope: Attention.Scope
  }

  /// What the backward pass of one block needs; valid until the arena is reset.
  struct Tape {
    let rows: Rows
    let weights: BlockWeights
    let input: Tensor  // [n, w]
    let statistics: LayerNorm.Statistics
    let projections: Projections
    let probabilities: Operand?  // what each head's queries see
    let context: Operand  // [q, w]
    let perceptron: PerceptronTape
    let output: Tensor  // [q, w]
  }

  /// Runs the block on `x [n, w]` and returns its result and what the backward pass needs.
  ///
  /// Where `keepsTape` is false, `x` may be overwritten, the tape is good for its result only, and that is `x` itself
  /// where all rows are made.
  func forward(
    _ x: Tensor, _ rows: Rows, _ parameters: BlockParameters, keepsTape: Bool, arena: Arena,
    by product: some MatrixProduct
  ) -> Tape {
    let weights = parameters.weights(arena, by: product)
    let statistics = LayerNorm.Statistics(rows: x.rowCount, in: arena)
    let normalized = Operand(rows: x.rowCount, columns: x.columnCount, product.operandFormat, in: arena)
    LayerNorm.forward(
      x, weight: parameters.norm1.weight, bias: parameters.norm1.bias, epsilon: epsilon, into: normalized, statistics)
    let projections = Projections(normalized, rows, parameters, weights, arena, by: product)
    let probabilities = keepsTape ? attention.probabilities(rows.scope, arena, by: product) : nil
    let context = Operand(
      rows: rows.read?.count ?? x.rowCount, columns: x.columnCount, product.operandFormat, in: arena)
    attention.forward(
      projections.inputs, rows.scope, probabilities: probabilities, into: context, arena: arena, by: product)

    let middle = keepsTape || rows.read != nil ? rows.copied(from: x, arena) : x
    Linear.forward(
      context, weight: weights.output, bias: parameters.output.bias, addingTo: middle, by: product)
    let perceptron = forwardPerceptron(middle, parameters, weights, keepsTape: keepsTape, arena: arena, by: product)
    return Tape(
      rows: rows, weights: weights, input: x, statistics: statistics, projections: projections,
      probabilities: probabilities, context: context, perceptron: perceptron, output: perceptron.output)
  }

  /// Turns `dy [q, w]`, the gradient of the block's result, into that of its input, `[n, w]`, which is `dy` itself,
  /// overwritten, where all rows were made; writes `gradients`, which are nil where the block is frozen.
  func backward(
    _ dy: Tensor, _ parameters: BlockParameters, _ tape: Tape, gradients: BlockParameters?, arena: Arena,
    by product: some MatrixProduct
  ) -> Tensor {
    backwardPerceptron(
      dy, parameters, tape.weights, tape.perceptron, gradients: gradients, arena: arena, by: product)
    let dx = tape.rows.read == nil ? dy : arena.zeros(tape.input.shape)
    if let read = tape.rows.read { ElementWise.add(dy, toRows: read, of: dx) }
    arena.scoped {
      let dContext = Operand(
        rows: dy.rowCount, columns: dy.columnCount, tape.rows.scope.format(by: product), in: arena)
      AffineParameters.backward(
        Operand(dy), x: tape.context, weight: tape.weights.output, into: dContext, gradients?.output, arena,
        by: product)
      let dProjections = Projections(gradientsOf: tape.projections, arena)
      attention.backward(
        dContext, tape.projections.inputs, probabilities: tape.probabilities!, tape.rows.scope,
        into: dProjections.inputs, arena: arena, by: product)
      let dNormalized = dProjections.backward(tape.weights, gradients, arena, by: product)
      LayerNorm.backward(
        dNormalized, x: tape.input, weight: parameters.norm1.weight, tape.statistics, addingTo: dx,
        dWeight: gradients?.norm1.weight, dBias: gradients?.norm1.bias)
    }
    return dx
  }
}

extension TransformerBlock.Rows {
  /// A copy of these rows of `x`.
  fileprivate func copied(from x: Tensor, _ arena: Arena) -> Tensor {
    let copy = arena.tensor([read?.count ?? x.rowCount, x.columnCount])
    if let read { copy.copy(rows: read, of: x) } else { copy.copy(from: x) }
    return copy
  }
}

extension AffineParameters {
  /// Writes a linear layer's parameter gradients from `dy` to `gradients`, unless these are nil, and the gradient of its
  /// input to `dx`.
  ///
  /// `dy` is rounded for the products where it is not yet, and summed for the bias as it is.
  static func backward(
    _ dy: Operand, x: Operand, weight: Operand, into dx: Operand, _ gradients: AffineParameters?, _ arena: Arena,
    by product: some MatrixProduct
  ) {
    arena.scoped {
      let factor = product.operand(dy, arena)
      if let gradients {
        Linear.backwardWeight(factor, x: x, into: gradients.weight, by: product)
        Linear.backwardBias(dy, into: gradients.bias)
      }
      Linear.backwardInput(factor, weight: weight, into: dx, by: product)
    }
  }
}
