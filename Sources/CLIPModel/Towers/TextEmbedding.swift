import Kernels
import Tensors

/// From token ids to the features that enter the first text block: token plus position.
public struct TextEmbedding: Sendable {
  let tokens: Tensor  // [vocabulary, w]
  let positions: Tensor  // [context, w]

  init(_ store: ParameterStore) {
    tokens = store.required("text_model.embeddings.token_embedding.weight")
    positions = store.required("text_model.embeddings.position_embedding.weight")
  }

  /// The layout of prompts cut after their end-of-text token.
  ///
  /// Attention is causal and only that token is read, so what would follow it never matters: leaving it out is exact.
  public func layout(_ prompts: [[Int32]]) -> SequenceLayout { SequenceLayout(lengths: prompts.map(\.count)) }

  /// Writes `x [tokens, w]` from prompts that end with their end-of-text token.
  public func forward(_ prompts: [[Int32]], into x: Tensor) {
    var row = 0
    for prompt in prompts {
      precondition(prompt.count <= positions.rowCount, "a prompt has more tokens than there are positions")
      for (position, token) in prompt.enumerated() {
        let target = x.row(row)
        target.copy(from: tokens.row(Int(token)))
        ElementWise.add(positions.row(position), to: target)
        row += 1
      }
    }
  }
}
