import Kernels
import Tensors

/// From token ids to the features that enter the first text block: token plus position.
public struct TextEmbedding: Sendable {
  let tokens: Tensor  // [vocabulary, w]
  let positions: Tensor  // [context, w]

  /// Views on a store, which must hold the text encoder's embeddings: values or gradients.
  public init(_ store: ParameterStore) {
    tokens = store.required("text_model.embeddings.token_embedding.weight")
    positions = store.required("text_model.embeddings.position_embedding.weight")
  }

  /// The layout of prompts cut after their end-of-text token, one row for each distinct beginning.
  ///
  /// Attention is causal and only the end token is read. So what would follow it never matters, and a token that comes
  /// after the same tokens in several prompts is the same in each: leaving out the rest is exact.
  public func layout(_ prompts: [[Int32]]) -> SequenceLayout { SequenceLayout(sharingPrefixesOf: prompts) }

  /// Writes `x [tokens, w]` from prompts that end with their end-of-text token, in a layout of these prompts.
  public func forward(_ prompts: [[Int32]], _ layout: SequenceLayout, into x: Tensor) {
    precondition(prompts.count == layout.count && x.rowCount == layout.tokenCount)
    for (sequence, prompt) in prompts.enumerated() {
      precondition(prompt.count <= positions.rowCount, "a prompt has more tokens than there are positions")
      for (position, row) in layout.rows(of: sequence).enumerated() {
        let target = x.row(row)
        target.copy(from: tokens.row(Int(prompt[position])))
        ElementWise.add(positions.row(position), to: target)
      }
    }
  }

  /// Writes context vectors `[m, w]` in the place of the tokens at positions 1 to m of every prompt.
  public func replaceContext(_ context: Tensor, _ layout: SequenceLayout, in x: Tensor) {
    Self.forEachRow(of: layout) { row, _, position in
      guard (1...context.rowCount).contains(position) else { return }
      x.row(row).copy(from: context.row(position - 1))
      ElementWise.add(positions.row(position), to: x.row(row))
    }
  }

  /// Writes the gradients of context vectors to `dContext [m, w]`, given `dx [tokens, w]`.
  public static func backwardContext(_ dx: Tensor, _ layout: SequenceLayout, dContext: Tensor) {
    dContext.fill(0)
    forEachRow(of: layout) { row, _, position in
      guard (1...dContext.rowCount).contains(position) else { return }
      ElementWise.add(dx.row(row), to: dContext.row(position - 1))
    }
  }

  /// Writes the gradients of tokens and positions to `gradients`, given `dx [tokens, w]`.
  public func backward(_ dx: Tensor, _ prompts: [[Int32]], _ layout: SequenceLayout, gradients: TextEmbedding) {
    gradients.tokens.fill(0)
    gradients.positions.fill(0)
    Self.forEachRow(of: layout) { row, sequence, position in
      ElementWise.add(dx.row(row), to: gradients.tokens.row(Int(prompts[sequence][position])))
      ElementWise.add(dx.row(row), to: gradients.positions.row(position))
    }
  }

  /// Calls `body` once for each row, with a sequence that it belongs to and its position there.
  private static func forEachRow(
    of layout: SequenceLayout, _ body: (_ row: Int, _ sequence: Int, _ position: Int) -> Void
  ) {
    var isDone = [Bool](repeating: false, count: layout.tokenCount)
    for sequence in 0..<layout.count {
      for (position, row) in layout.rows(of: sequence).enumerated() where !isDone[row] {
        isDone[row] = true
        body(row, sequence, position)
      }
    }
  }
}
