import Kernels
import Tensors

/// Queries, keys and values of a block, or their gradients: one product for all three where every row is a query, else one
/// for the queries and one for keys and values.
///
/// Legend: n tokens, q queries, w width.
struct Projections {
  private enum Parts {
    case joint(qkv: Operand)  // [n, 3w]
    case apart(query: Operand, keyValue: Operand)  // [q, w], [n, 2w]
  }

  private let parts: Parts
  private let normalized: Operand  // [n, w], what keys and values are made of
  private let queryInput: Operand  // [q, w], what queries are made of
  private let read: [Int]?

  /// Projects the result of the block's first norm.
  init(
    _ normalized: Operand, _ rows: TransformerBlock.Rows, _ parameters: BlockParameters, _ weights: BlockWeights,
    _ arena: Arena, by product: some MatrixProduct
  ) {
    func projected(_ x: Operand, _ weight: Operand, _ layer: AffineParameters) -> Operand {
      let y = Operand(
        rows: x.rowCount, columns: weight.rowCount, rows.scope.format(by: product), in: arena)
      Linear.forward(x, weight: weight, bias: layer.bias, into: y, by: product)
      return y
    }
    self.normalized = normalized
    read = rows.read
    if let read = rows.read {
      queryInput = Operand(rows: read.count, columns: normalized.columnCount, normalized.format, in: arena)
      queryInput.copy(rows: read, of: normalized)
      parts = .apart(
        query: projected(queryInput, weights.query, parameters.query),
        keyValue: projected(normalized, weights.keyValue, parameters.keyValue))
    } else {
      queryInput = normalized
      parts = .joint(qkv: projected(normalized, weights.qkv, parameters.qkv))
    }
  }

  /// Room for the gradients of some projections.
  init(gradientsOf other: Projections, _ arena: Arena) {
    func like(_ x: Operand) -> Operand { Operand(rows: x.rowCount, columns: x.columnCount, x.format, in: arena) }
    normalized = other.normalized
    queryInput = other.queryInput
    read = other.read
    parts =
      switch other.parts {
      case .joint(let qkv): .joint(qkv: like(qkv))
      case .apart(let query, let keyValue): .apart(query: like(query), keyValue: like(keyValue))
      }
  }

  /// What attention computes with.
  var inputs: Attention.Inputs {
    switch parts {
    case .joint(let qkv): Attention.Inputs(qkv: qkv)
    case .apart(let query, let keyValue): Attention.Inputs(query: query, keyValue: keyValue)
    }
  }

  /// Taken as gradients: writes those of the parameters, unless these are frozen, and returns that of the norm's result
  /// `[n, w]`.
  func backward(
    _ weights: BlockWeights, _ gradients: BlockParameters?, _ arena: Arena,
    by product: some MatrixProduct
  ) -> Tensor {
    let dNormalized = arena.tensor([normalized.rowCount, normalized.columnCount])
    switch parts {
    case .joint(let qkv):
      AffineParameters.backward(
        qkv, x: normalized, weight: weights.qkv, into: Operand(dNormalized), gradients?.qkv, arena, by: product)
    case .apart(let query, let keyValue):
      AffineParameters.backward(
        keyValue, x: normalized, weight: weights.keyValue, into: Operand(dNormalized), gradients?.keyValue, arena,
        by: product)
      arena.scoped {
        let dQueryInput = arena.tensor([query.rowCount, query.columnCount])
        AffineParameters.backward(
          query, x: queryInput, weight: weights.query, into: Operand(dQueryInput), gradients?.query, arena,
          by: product)
        ElementWise.add(dQueryInput, toRows: read!, of: dNormalized)
      }
    }
    return dNormalized
  }
}
