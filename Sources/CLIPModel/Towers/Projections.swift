import Kernels
import Tensors

/// Queries, keys and values of a block, or their gradients: one product for all three where every row is a query, else one
/// for the queries and one for keys and values.
///
/// Legend: n tokens, q queries, w width.
struct Projections {
  private enum Parts {
    case joint(qkv: Tensor)  // [n, 3w]
    case apart(query: Tensor, keyValue: Tensor)  // [q, w], [n, 2w]
  }

  private let parts: Parts
  private let normalized: Tensor  // [n, w], what keys and values are made of
  private let queryInput: Tensor  // [q, w], what queries are made of
  private let read: [Int]?

  /// Projects the result of the block's first norm.
  init(
    _ normalized: Tensor, _ rows: TransformerBlock.Rows, _ parameters: BlockParameters, _ arena: Arena,
    by product: some MatrixProduct
  ) {
    let width = normalized.columnCount
    self.normalized = normalized
    read = rows.read
    if let read = rows.read {
      queryInput = arena.tensor([read.count, width])
      queryInput.copy(rows: read, of: normalized)
      let (query, keyValue) = (arena.tensor([read.count, width]), arena.tensor([normalized.rowCount, 2 * width]))
      Self.apply(parameters.query, to: queryInput, into: query, by: product)
      Self.apply(parameters.keyValue, to: normalized, into: keyValue, by: product)
      parts = .apart(query: query, keyValue: keyValue)
    } else {
      queryInput = normalized
      let qkv = arena.tensor([normalized.rowCount, 3 * width])
      Self.apply(parameters.qkv, to: normalized, into: qkv, by: product)
      parts = .joint(qkv: qkv)
    }
  }

  /// Room for the gradients of some projections.
  init(gradientsOf other: Projections, _ arena: Arena) {
    normalized = other.normalized
    queryInput = other.queryInput
    read = other.read
    switch other.parts {
    case .joint(let qkv): parts = .joint(qkv: arena.tensor(qkv.shape))
    case .apart(let query, let keyValue):
      parts = .apart(query: arena.tensor(query.shape), keyValue: arena.tensor(keyValue.shape))
    }
  }

  /// What attention computes with.
  var inputs: Attention.Inputs {
    switch parts {
    case .joint(let qkv): Attention.Inputs(qkv: qkv)
    case .apart(let query, let keyValue): Attention.Inputs(query: query, keyValue: keyValue)
    }
  }

  /// Taken as gradients of `projections`: adds those of the parameters, unless they are frozen, and returns that of the
  /// norm's result `[n, w]`.
  func backward(
    _ projections: Projections, _ parameters: BlockParameters, _ gradients: BlockParameters?, _ arena: Arena,
    by product: some MatrixProduct
  ) -> Tensor {
    switch parts {
    case .joint(let qkv):
      return TransformerBlock.backward(
        qkv, through: parameters.qkv, x: projections.normalized, gradients?.qkv, arena, by: product)
    case .apart(let query, let keyValue):
      let dNormalized = TransformerBlock.backward(
        keyValue, through: parameters.keyValue, x: projections.normalized, gradients?.keyValue, arena, by: product)
      let dQueryInput = TransformerBlock.backward(
        query, through: parameters.query, x: projections.queryInput, gradients?.query, arena, by: product)
      ElementWise.add(dQueryInput, toRows: projections.read!, of: dNormalized)
      return dNormalized
    }
  }

  private static func apply(
    _ layer: AffineParameters, to x: Tensor, into y: Tensor, by product: some MatrixProduct
  ) {
    Linear.forward(x, weight: layer.weight, bias: layer.bias, into: y, by: product)
  }
}
