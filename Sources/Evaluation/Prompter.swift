import CLIPModel
import Datasets
import Diagnostics

/// Makes one prompt per class.
public struct Prompter: Sendable {
  private let template: PromptTemplate
  private let tokenizer: CLIPTokenizer
  private let contextLength: Int
  private let place: String

  /// Prompts of a template for a model; `place` is where users change the template, for messages.
  public init(template: PromptTemplate, tokenizer: CLIPTokenizer, model: CLIP, place: String) {
    self.template = template
    self.tokenizer = tokenizer
    contextLength = model.configuration.contextLength
    self.place = place
  }

  /// The same prompter with another template, which users change at `place`.
  public func with(_ template: PromptTemplate, place: String) -> Prompter {
    Prompter(template, tokenizer, contextLength: contextLength, place: place)
  }

  private init(_ template: PromptTemplate, _ tokenizer: CLIPTokenizer, contextLength: Int, place: String) {
    self.template = template
    self.tokenizer = tokenizer
    self.contextLength = contextLength
    self.place = place
  }

  /// Token ids, start and end included, leaving room for `reserved` more.
  ///
  /// Throws where the model cannot read a prompt whole: a cut prompt would stand for another class.
  public func prompts(_ classNames: [String], reserving reserved: Int = 0) throws -> [[Int32]] {
    try classNames.enumerated().map { label, name in
      let tokens = tokenizer.tokens(template.prompt(for: name))
      guard tokens.count + reserved <= contextLength else {
        throw Failure(
          .badData, at: "class \(label) \"\(name.prefix(60))\"",
          "its prompt has \(tokens.count + reserved) tokens, the model reads \(contextLength)",
          remedy: "shorten the class name or \(place)")
      }
      return tokens
    }
  }
}
