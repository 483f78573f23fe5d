import Diagnostics

extension CLIPConfiguration {
  /// Makes sure that a tokenizer's numbers mean to the text encoder what they mean to the tokenizer.
  ///
  /// Throws `Failure(.badData)` at `place` where it has more tokens than the embedding has rows, or another end token than
  /// the configuration names.
  public func judge(_ tokenizer: CLIPTokenizer, place: String) throws {
    let remedy = "the tokenizer files must belong to the weights"
    guard tokenizer.vocabularySize <= vocabularySize else {
      throw Failure(
        .badData, at: place,
        "the tokenizer has \(tokenizer.vocabularySize) tokens, the model's embedding only \(vocabularySize)",
        remedy: remedy)
    }
    // Old files say 2 whatever the real token is; Hugging Face then reads the largest id, which is the tokenizer's.
    if let end = eosTokenID, end != 2, end != Int(tokenizer.endToken) {
      throw Failure(
        .badData, at: place, "config.json names \(end) as the end token, the tokenizer has \(tokenizer.endToken)",
        remedy: remedy)
    }
  }
}
