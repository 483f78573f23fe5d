import CKernels
import Tensors

/// Multi-head self-attention, `softmax(Q Kᵀ / sqrt(d)) V` for each sequence and head (Vaswani et al., 2017).
///
/// Queries, keys and values come as one matrix `qkv [tokens, 3 * width]`, heads side by side inside each third.
public struct Attention: Sendable {
  /// Heads; the width is a multiple of it.
  public let headCount: Int
  /// Whether a token sees only itself and those before it.
  public let isCausal: Bool

  /// Attention with `headCount` heads.
  public init(headCount: Int, isCausal: Bool) {
    self.headCount = headCount
    self.isCausal = isCausal
  }

  /// Elements that the probabilities of all sequences and heads take.
  public func probabilityCount(_ layout: SequenceLayout) -> Int {
    (0..<layout.count).reduce(0) { $0 + headCount * layout.rows(of: $1).count * layout.rows(of: $1).count }
  }

  /// Writes `context [tokens, width]`, and the probabilities that the backward pass needs.
  public func forward(
    qkv: Tensor, _ layout: SequenceLayout, probabilities: Tensor, into context: Tensor, by product: some MatrixProduct
  ) {
    forEachHead(qkv, layout) { head in
      let scores = head.square(in: probabilities)
      product.multiply(head.query(qkv), head.key(qkv).transposed, into: scores)
      skt_softmax(scores.pointer, head.tokens.count, head.tokens.count, head.scale, isCausal ? 1 : 0)
      product.multiply(scores, head.value(qkv), into: head.window(of: context, third: 0))
    }
  }

  /// Writes `dqkv [tokens, 3 * width]` from `dContext [tokens, width]`; `scratch` holds one square per head and sequence.
  public func backward(
    _ dContext: Tensor, qkv: Tensor, probabilities: Tensor, _ layout: SequenceLayout, scratch: Tensor,
    into dqkv: Tensor, by product: some MatrixProduct
  ) {
    forEachHead(qkv, layout) { head in
      let p = head.square(in: probabilities)
      let dScores = head.square(in: scratch)
      let dOutput = head.window(of: dContext, third: 0)
      product.multiply(p.transposed, dOutput, into: head.value(dqkv))
      product.multiply(dOutput, head.value(qkv).transposed, into: dScores)
      skt_softmax_backward(
        dScores.pointer, dScores.pointer, p.pointer, head.tokens.count, head.tokens.count, head.scale)
      product.multiply(dScores, head.key(qkv), into: head.query(dqkv))
      product.multiply(dScores.transposed, head.query(qkv), into: head.key(dqkv))
    }
  }

  private func forEachHead(_ qkv: Tensor, _ layout: SequenceLayout, _ body: (Head) -> Void) {
    let width = qkv.columnCount / 3
    precondition(qkv.rowCount == layout.tokenCount && width % headCount == 0)
    var squareOffset = 0
    for sequence in 0..<layout.count {
      let tokens = layout.rows(of: sequence)
      for index in 0..<headCount {
        body(Head(index: index, width: width / headCount, tokens: tokens, squareOffset: squareOffset))
        squareOffset += tokens.count * tokens.count
      }
    }
  }
}

/// One head of one sequence: its windows on the packed matrices.
private struct Head {
  let index: Int
  let width: Int
  let tokens: Range<Int>
  let squareOffset: Int

  var scale: Float { 1 / Float(width).squareRoot() }

  func query(_ qkv: Tensor) -> MatrixView { window(of: qkv, third: 0) }
  func key(_ qkv: Tensor) -> MatrixView { window(of: qkv, third: 1) }
  func value(_ qkv: Tensor) -> MatrixView { window(of: qkv, third: 2) }

  /// This head's columns; `third` counts in model widths, so it is 0 for a matrix `[tokens, width]`.
  func window(of matrix: Tensor, third: Int) -> MatrixView {
    let stride = matrix.columnCount
    let column = third * (stride / 3) + index * width
    return MatrixView(
      matrix.pointer + tokens.lowerBound * stride + column, rows: tokens.count, columns: width, stride: stride)
  }

  /// This head's `[tokens, tokens]` part of a buffer of squares.
  func square(in buffer: Tensor) -> MatrixView {
    precondition(squareOffset + tokens.count * tokens.count <= buffer.count)
    return MatrixView(
      buffer.pointer + squareOffset, rows: tokens.count, columns: tokens.count, stride: tokens.count)
  }
}
