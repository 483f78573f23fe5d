import Kernels
import Tensors

/// The part that both encoders share: blocks, then norm and projection of one token per sequence.
///
/// A tower holds no embedding: it starts from features `[tokens, width]` that enter some block, which is where LSkip
/// cuts. Legend: n tokens of the packed batch, s sequences, w width, e embedding.
public struct Tower: Sendable {
  /// Which token of a sequence is read.
  public enum ReadOut: Sendable {
    /// The class token, which stands first.
    case first
    /// The end-of-text token, which stands last.
    case last
  }

  private(set) var parameters: TowerParameters
  let block: TransformerBlock
  let readOut: ReadOut
  /// Whether backward passes make what blocks keep for them once more, instead of keeping it.
  private(set) var recomputes = false

  /// Blocks.
  public let depth: Int
  /// Features per token.
  public let width: Int

  /// What the backward pass needs, and the features that the forward pass made; valid until the arena is reset.
  public struct Pass {
    /// Projected features, not normalised, `[s, e]`.
    public let features: Tensor
    let startLayer: Int
    let blocks: [BlockPass]
    let head: HeadTape
  }

  /// What is kept of one block.
  enum BlockPass {
    /// All that its backward pass needs.
    case tape(TransformerBlock.Tape)
    /// What its forward pass began with, to be done once more.
    case input(Tensor, TransformerBlock.Rows, output: Tensor)

    var output: Tensor {
      switch self {
      case .tape(let tape): tape.output
      case .input(_, _, let output): output
      }
    }
  }

  /// Runs blocks `layers` on `x [n, w]` in place, all rows, keeping nothing for a backward pass.
  public func extract(
    _ x: Tensor, _ layout: SequenceLayout, layers: Range<Int>, arena: Arena, by product: some MatrixProduct
  ) {
    let rows = allRows(of: layout, in: x)
    for layer in layers {
      arena.scoped {
        _ = block.forward(x, rows, parameters.block(layer), keepsTape: false, arena: arena, by: product)
      }
    }
  }

  /// What enters block `startLayer`, from features `x [n, w]` that enter block `first`, which are overwritten.
  ///
  /// These are all rows; but where `startLayer` is `depth`, no block is left to look at them, and the result is the rows
  /// that are read, as sequences of one token, cut from the arena.
  public func prefix(
    _ x: Tensor, _ layout: SequenceLayout, from first: Int = 0, upTo startLayer: Int, arena: Arena,
    by product: some MatrixProduct
  ) -> (values: Tensor, layout: SequenceLayout) {
    guard startLayer == depth else {
      extract(x, layout, layers: first..<startLayer, arena: arena, by: product)
      return (x, layout)
    }
    return (read(x, layout, from: first, arena: arena, by: product), prefixLayout(layout, upTo: startLayer))
  }

  /// The layout that `prefix` returns.
  public func prefixLayout(_ layout: SequenceLayout, upTo startLayer: Int) -> SequenceLayout {
    startLayer == depth ? SequenceLayout(count: layout.count, length: 1) : layout
  }

  /// Runs everything from block `startLayer` on.
  ///
  /// `x [n, w]`, the features that enter that block, must stay as they are until the backward pass is done. `willUse` is
  /// called before the parameters of a block are used (`depth` stands for final norm and projection).
  public func forward(
    _ x: Tensor, _ layout: SequenceLayout, from startLayer: Int, arena: Arena, by product: some MatrixProduct,
    willUse: (Int) throws -> Void = { _ in }
  ) rethrows -> Pass {
    let rows = allRows(of: layout, in: x)
    let readRows = readRows(of: layout)
    var blocks: [BlockPass] = []
    for layer in startLayer..<depth {
      try willUse(layer)
      blocks.append(
        forwardBlock(
          layer, blocks.last?.output ?? x, layer == depth - 1 ? reading(readRows, layout) : rows, arena: arena,
          by: product))
    }
    try willUse(depth)
    let head = forwardHead(blocks.last?.output ?? gathered(readRows, of: x, arena), arena: arena, by: product)
    return Pass(features: head.features, startLayer: startLayer, blocks: blocks, head: head)
  }

  /// The last block's tape is kept anyway: it is needed first.
  private func forwardBlock(
    _ layer: Int, _ x: Tensor, _ rows: TransformerBlock.Rows, arena: Arena, by product: some MatrixProduct
  ) -> BlockPass {
    func forward() -> TransformerBlock.Tape {
      block.forward(x, rows, parameters.block(layer), keepsTape: true, arena: arena, by: product)
    }
    guard recomputes, layer < depth - 1 else { return .tape(forward()) }
    let output = arena.tensor(x.shape)
    arena.scoped { output.copy(from: forward().output) }
    return .input(x, rows, output: output)
  }

  /// The features `[s, e]`, not normalised, of inputs that enter block `startLayer`; overwrites `x [n, w]`.
  ///
  /// The result is cut from the arena.
  public func features(
    _ x: Tensor, _ layout: SequenceLayout, from startLayer: Int, arena: Arena, by product: some MatrixProduct
  ) -> Tensor {
    forwardHead(read(x, layout, from: startLayer, arena: arena, by: product), arena: arena, by: product).features
  }

  /// What the projection is applied to, `[s, w]`: the rows that are read, after all blocks and the last norm; overwrites
  /// `x [n, w]`, which enters block `startLayer`.
  ///
  /// The result is cut from the arena.
  public func pooled(
    _ x: Tensor, _ layout: SequenceLayout, from startLayer: Int = 0, arena: Arena, by product: some MatrixProduct
  ) -> Tensor {
    forwardHead(read(x, layout, from: startLayer, arena: arena, by: product), arena: arena, by: product).normalized
  }

  /// Writes the gradients of everything from the pass's start layer on, given `dFeatures [s, e]`, and returns that of what
  /// entered it, `[n, w]`, cut from the arena; those of a pass without sequences are zero.
  ///
  /// Where `gradients` is nil, the tower is frozen and only its input has one. Blocks are left from the last to the first,
  /// so gradients of later blocks are final earlier; `onReady` is told each time a block's are, and its weights are not
  /// needed any more (`depth` stands for final norm and projection).
  @discardableResult
  public func backward(
    _ dFeatures: Tensor, _ pass: Pass, gradients: TowerParameters?, arena: Arena, by product: some MatrixProduct,
    onReady: (Int) throws -> Void = { _ in }
  ) rethrows -> Tensor {
    var dx = backwardHead(dFeatures, pass.head, gradients: gradients, arena: arena, by: product)
    try onReady(depth)
    for layer in (pass.startLayer..<depth).reversed() {
      dx = backwardBlock(
        layer, dx, pass.blocks[layer - pass.startLayer], gradients: gradients?.block(layer), arena: arena, by: product)
      try onReady(layer)
    }
    return dx
  }

  private func backwardBlock(
    _ layer: Int, _ dy: Tensor, _ pass: BlockPass, gradients: BlockParameters?, arena: Arena,
    by product: some MatrixProduct
  ) -> Tensor {
    let parameters = parameters.block(layer)
    switch pass {
    case .tape(let tape):
      return block.backward(dy, parameters, tape, gradients: gradients, arena: arena, by: product)
    case .input(let x, let rows, _):
      return arena.scoped {
        let tape = block.forward(x, rows, parameters, keepsTape: true, arena: arena, by: product)
        // All rows were made, so the result is `dy` itself and may leave.
        return block.backward(dy, parameters, tape, gradients: gradients, arena: arena, by: product)
      }
    }
  }
}

extension Tower {
  /// The same tower, whose backward passes run the blocks forward once more, from the features that entered each: what they
  /// compute is the same to the bit, takes a third more time, and memory for one block instead of all.
  ///
  /// Source: gradient checkpointing at every block (Chen et al. 2016, arXiv:1604.06174).
  public func recomputing(_ recomputes: Bool = true) -> Tower {
    var tower = self
    tower.recomputes = recomputes
    return tower
  }
}

extension Tower {
  /// The same tower, with copies of the weights of some blocks as `product` reads them; for weights that do not change any
  /// more, whatever becomes of the parameters.
  ///
  /// Without it, rounded copies are made anew for each pass. Nothing is copied where products read the weights as they are.
  public func freezing(_ layers: Range<Int>, for product: some MatrixProduct) -> Tower {
    guard product.operandFormat != .float32 else { return self }
    var tower = self
    tower.parameters = parameters.freezing(layers, product.operandFormat)
    return tower
  }
}

// MARK: - Rows

extension Tower {
  func allRows(of layout: SequenceLayout, in x: Tensor) -> TransformerBlock.Rows {
    precondition(
      x.rowCount == layout.tokenCount, "\(x.rowCount) rows do not hold a layout of \(layout.tokenCount) tokens")
    return TransformerBlock.Rows(read: nil, scope: block.attention.scope(layout))
  }

  private func reading(_ rows: [Int], _ layout: SequenceLayout) -> TransformerBlock.Rows {
    TransformerBlock.Rows(read: rows, scope: block.attention.scope(layout, of: rows))
  }

  func readRows(of layout: SequenceLayout) -> [Int] {
    readOut == .first ? layout.firstRows : layout.lastRows
  }

  /// The rows `[s, w]` that are read after all blocks from `startLayer` on, cut from the arena; overwrites `x [n, w]`.
  private func read(
    _ x: Tensor, _ layout: SequenceLayout, from startLayer: Int, arena: Arena, by product: some MatrixProduct
  ) -> Tensor {
    let rows = readRows(of: layout)
    guard startLayer < depth else { return gathered(rows, of: x, arena) }
    extract(x, layout, layers: startLayer..<depth - 1, arena: arena, by: product)
    let result = arena.tensor([rows.count, width])
    arena.scoped {
      let tape = block.forward(
        x, reading(rows, layout), parameters.block(depth - 1), keepsTape: false, arena: arena, by: product)
      result.copy(from: tape.output)
    }
    return result
  }

  private func gathered(_ rows: [Int], of x: Tensor, _ arena: Arena) -> Tensor {
    let result = arena.tensor([rows.count, width])
    result.copy(rows: rows, of: x)
    return result
  }
}

// MARK: - Norm and projection of the token that is read, in 32-bit floats: few rows that decide

extension Tower {
  struct HeadTape {
    let input: Tensor  // [s, w]
    let statistics: LayerNorm.Statistics
    let normalized: Tensor  // [s, w]
    let features: Tensor  // [s, e]
  }

  func forwardHead(_ x: Tensor, arena: Arena, by product: some MatrixProduct) -> HeadTape {
    let tape = HeadTape(
      input: x, statistics: LayerNorm.Statistics(rows: x.rowCount, in: arena), normalized: arena.tensor(x.shape),
      features: arena.tensor([x.rowCount, parameters.projection.rowCount]))
    LayerNorm.forward(
      x, weight: parameters.finalNorm.weight, bias: parameters.finalNorm.bias, epsilon: block.epsilon,
      into: tape.normalized, tape.statistics)
    Linear.forward(
      Operand(tape.normalized), weight: Operand(parameters.projection), bias: nil, into: Operand(tape.features),
      by: product)
    return tape
  }

  /// Returns the gradient `[s, w]` of the rows that were read.
  func backwardHead(
    _ dFeatures: Tensor, _ tape: HeadTape, gradients: TowerParameters?, arena: Arena, by product: some MatrixProduct
  ) -> Tensor {
    let dy = Operand(dFeatures)
    if let gradients {
      Linear.backwardWeight(dy, x: Operand(tape.normalized), into: gradients.projection, by: product)
    }
    let dx = arena.zeros(tape.input.shape)
    arena.scoped {
      let dNormalized = arena.tensor(tape.normalized.shape)
      Linear.backwardInput(
        dy, weight: Operand(parameters.projection), into: Operand(dNormalized), by: product)
      LayerNorm.backward(
        dNormalized, x: tape.input, weight: parameters.finalNorm.weight, tape.statistics, addingTo: dx,
        dWeight: gradients?.finalNorm.weight, dBias: gradients?.finalNorm.bias)
    }
    return dx
  }
}
