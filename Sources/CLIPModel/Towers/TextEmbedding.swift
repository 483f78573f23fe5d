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
}
