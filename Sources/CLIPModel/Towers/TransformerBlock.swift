import Kernels
import Tensors

/// The pre-norm residual block of both encoders: `x += attention(norm1(x))`, then `x += mlp(norm2(x))`.
///
/// Where only some rows of the result are read, as after the last block, queries, output projection and MLP are computed
/// for those rows alone; keys and values always for all. Legend: n tokens of the packed batch, q rows of the result (n
/// unless fewer are read), w width.
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
    let input: Tensor  // [n, w]
    let statistics: LayerNorm.Statistics
    let normalized: Tensor  // [n, w]
    let projections: Projections
    let probabilities: Tensor  // what each head's queries see
    let context: Tensor  // [q, w]
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
    let statistics = LayerNorm.Statistics(rows: x.rowCount, in: arena)
    let normalized = arena.tensor(x.shape)
    LayerNorm.forward(
      x, weight: parameters.norm1.weight, bias: parameters.norm1.bias, epsilon: epsilon, into: normalized, statistics)
    let projections = Projections(normalized, rows, parameters, arena, by: product)
    let probabilities = arena.tensor([attention.probabilityCount(rows.scope)])
    let context = arena.tensor([rows.read?.count ?? x.rowCount, x.columnCount])
    attention.forward(projections.inputs, rows.scope, probabilities: probabilities, into: context, by: product)

    let middle = keepsTape || rows.read != nil ? rows.copied(from: x, arena) : x
    add(parameters.output, of: context, to: middle, by: product)
    let perceptron = forwardPerceptron(middle, parameters, keepsTape: keepsTape, arena: arena, by: product)
    return Tape(
      rows: rows, input: x, statistics: statistics, normalized: normalized, projections: projections,
      probabilities: probabilities, context: context, perceptron: perceptron, output: perceptron.output)
  }

  /// Turns `dy [q, w]`, the gradient of the block's result, into that of its input, `[n, w]`, which is `dy` itself,
  /// overwritten, where all rows were made; adds to `gradients`, which are nil where the block is frozen.
  func backward(
    _ dy: Tensor, _ parameters: BlockParameters, _ tape: Tape, gradients: BlockParameters?, arena: Arena,
    by product: some MatrixProduct
  ) -> Tensor {
    backwardPerceptron(dy, parameters, tape.perceptron, gradients: gradients, arena: arena, by: product)
    let dx = tape.rows.read == nil ? dy : arena.zeros(tape.input.shape)
    if let read = tape.rows.read { ElementWise.add(dy, toRows: read, of: dx) }
    arena.scoped {
      let dContext = Self.backward(
        dy, through: parameters.output, x: tape.context, gradients?.output, arena, by: product)
      let dProjections = Projections(gradientsOf: tape.projections, arena)
      attention.backward(
        dContext, tape.projections.inputs, probabilities: tape.probabilities, tape.rows.scope,
        into: dProjections.inputs, arena: arena, by: product)
      let dNormalized = dProjections.backward(tape.projections, parameters, gradients, arena, by: product)
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

// MARK: - Linear layers

extension TransformerBlock {
  /// `residual += layer(x)`.
  func add(_ layer: AffineParameters, of x: Tensor, to residual: Tensor, by product: some MatrixProduct) {
    product.multiply(MatrixView(x), MatrixView(layer.weight).transposed, into: MatrixView(residual), .add)
    ElementWise.addToRows(residual, layer.bias)
  }

  /// Adds a linear layer's parameter gradients to `gradients`, if there are such, and returns the gradient of its input.
  static func backward(
    _ dy: Tensor, through layer: AffineParameters, x: Tensor, _ gradients: AffineParameters?, _ arena: Arena,
    by product: some MatrixProduct
  ) -> Tensor {
    if let gradients {
      Linear.backwardParameters(dy, x: x, dWeight: gradients.weight, dBias: gradients.bias, by: product)
    }
    let dx = arena.tensor(x.shape)
    Linear.backwardInput(dy, weight: layer.weight, into: dx, by: product)
    return dx
  }
}
