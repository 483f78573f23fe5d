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

  let parameters: TowerParameters
  let block: TransformerBlock
  let readOut: ReadOut

  /// Blocks.
  public let depth: Int
  /// Features per token.
  public let width: Int

  /// What the backward pass needs, and the features that the forward pass made; valid until the arena is reset.
  public struct Pass {
    /// Projected features, not normalised, `[s, e]`.
    public let features: Tensor
    let startLayer: Int
    let layout: SequenceLayout
    let tapes: [TransformerBlock.Tape]
    let readRows: [Int]
    let read: Tensor  // [s, w], before the final norm
    let statistics: LayerNorm.Statistics
    let normalized: Tensor  // [s, w]
  }

  /// Runs blocks `layers` on `x [n, w]` in place, keeping nothing for a backward pass.
  public func extract(
    _ x: Tensor, _ layout: SequenceLayout, layers: Range<Int>, arena: Arena, by product: some MatrixProduct
  ) {
    for layer in layers {
      arena.scoped { _ = block.forward(x, layout, parameters.block(layer), arena: arena, by: product) }
    }
  }

  /// Runs everything from block `startLayer` on.
  ///
  /// Overwrites `x [n, w]`, the features that enter that block. `willUse` is called before the parameters of a block are
  /// used (`depth` stands for final norm and projection).
  public func forward(
    _ x: Tensor, _ layout: SequenceLayout, from startLayer: Int, arena: Arena, by product: some MatrixProduct,
    willUse: (Int) throws -> Void = { _ in }
  ) rethrows -> Pass {
    let tapes = try (startLayer..<depth).map {
      try willUse($0)
      return block.forward(x, layout, parameters.block($0), arena: arena, by: product)
    }
    try willUse(depth)
    return project(x, layout, startLayer: startLayer, tapes: tapes, arena: arena, by: product)
  }

  /// The features `[s, e]`, not normalised, of inputs that enter block `startLayer`; overwrites `x [n, w]`.
  ///
  /// The result is cut from the arena.
  public func features(
    _ x: Tensor, _ layout: SequenceLayout, from startLayer: Int, arena: Arena, by product: some MatrixProduct
  ) -> Tensor {
    extract(x, layout, layers: startLayer..<depth, arena: arena, by: product)
    return project(x, layout, startLayer: depth, tapes: [], arena: arena, by: product).features
  }

  /// Adds the gradients of everything from the pass's start layer on, given `dFeatures [s, e]`.
  ///
  /// Blocks are left from the last to the first, so gradients of later blocks are final earlier; `onReady` is told each
  /// time a block's are, and its parameters not used any more (`depth` stands for final norm and projection).
  public func backward(
    _ dFeatures: Tensor, _ pass: Pass, gradients: TowerParameters, arena: Arena, by product: some MatrixProduct,
    onReady: (Int) throws -> Void = { _ in }
  ) rethrows {
    let dx = backwardProjection(dFeatures, pass, gradients: gradients, arena: arena, by: product)
    try onReady(depth)
    for layer in (pass.startLayer..<depth).reversed() {
      block.backward(
        dx, pass.layout, parameters.block(layer), pass.tapes[layer - pass.startLayer],
        gradients: gradients.block(layer), arena: arena, by: product)
      try onReady(layer)
    }
  }
}

// MARK: - Norm and projection of the token that is read

extension Tower {
  private func project(
    _ x: Tensor, _ layout: SequenceLayout, startLayer: Int, tapes: [TransformerBlock.Tape], arena: Arena,
    by product: some MatrixProduct
  ) -> Pass {
    let rows = readOut == .first ? layout.firstRows : layout.lastRows
    let pass = Pass(
      features: arena.tensor([rows.count, parameters.projection.rowCount]), startLayer: startLayer, layout: layout,
      tapes: tapes, readRows: rows, read: arena.tensor([rows.count, width]),
      statistics: LayerNorm.Statistics(rows: rows.count, in: arena), normalized: arena.tensor([rows.count, width]))
    for (sequence, row) in rows.enumerated() { pass.read.row(sequence).copy(from: x.row(row)) }
    LayerNorm.forward(
      pass.read, weight: parameters.finalNorm.weight, bias: parameters.finalNorm.bias, epsilon: block.epsilon,
      into: pass.normalized, pass.statistics)
    Linear.forward(pass.normalized, weight: parameters.projection, bias: nil, into: pass.features, by: product)
    return pass
  }

  /// Returns the gradient `[n, w]` of the last block's result, zero but for the rows that are read.
  private func backwardProjection(
    _ dFeatures: Tensor, _ pass: Pass, gradients: TowerParameters, arena: Arena, by product: some MatrixProduct
  ) -> Tensor {
    Linear.backwardParameters(
      dFeatures, x: pass.normalized, dWeight: gradients.projection, dBias: nil, by: product)
    let dNormalized = arena.tensor(pass.normalized.shape)
    Linear.backwardInput(dFeatures, weight: parameters.projection, into: dNormalized, by: product)
    let dRead = arena.zeros(pass.read.shape)
    LayerNorm.backward(
      dNormalized, x: pass.read, weight: parameters.finalNorm.weight, pass.statistics, addingTo: dRead,
      dWeight: gradients.finalNorm.weight, dBias: gradients.finalNorm.bias)
    let dx = arena.zeros([pass.layout.tokenCount, width])
    for (sequence, row) in pass.readRows.enumerated() { dx.row(row).copy(from: dRead.row(sequence)) }
    return dx
  }
}
