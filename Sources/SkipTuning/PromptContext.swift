import CLIPModel
import Kernels
import Tensors

/// The learned context of prompt tuning (CoOp: Zhou et al., 2022): vectors in the place of words before a class name.
///
/// A prompt is start token, m context vectors, which all classes share, class name and end token. Both encoders are frozen.
public struct PromptContext: Sendable {
  /// As checkpoints and files name the vectors.
  public static let name = "prompt_context"
  /// What stands in a prompt where a vector will be; any token would do.
  public static let placeholder: Int32 = 0

  private let model: CLIP
  private let vectors: Tensor  // [m, w]

  /// The context that was added to a model's parameters.
  public init(of model: CLIP) {
    self.model = model
    vectors = model.parameters[Self.name]!
  }

  /// The parameter that holds `length` vectors.
  public static func addition(_ configuration: CLIPConfiguration, length: Int) -> ParameterLayout.Addition {
    ParameterLayout.Addition(name, [length, configuration.text.width])
  }

  /// A prompt with room for `length` context vectors after its start token.
  public static func prompt(_ tokens: [Int32], length: Int) -> [Int32] {
    tokens.prefix(1) + Array(repeating: placeholder, count: length) + tokens.dropFirst()
  }

  /// Begins with the embeddings of words, which are as many tokens as there are vectors.
  public func initialize(words: [Int32]) {
    precondition(words.count == vectors.rowCount)
    let tokens = model.parameters["text_model.embeddings.token_embedding.weight"]!
    vectors.copy(rows: words.map(Int.init), of: tokens)
  }

  /// Begins with normally distributed numbers of deviation 0.02.
  public func initialize(seed: UInt64) {
    var random = CounterRandom(seed: seed, stream: Self.stream)
    for index in 0..<vectors.count { vectors[index] = Float(0.02 * random.normal()) }
  }

  /// No other purpose uses this stream of random numbers.
  private static var stream: UInt32 { 0xC0_47_E4_77 }

  /// What enters the first block, cut from the arena.
  func embed(_ prompts: [[Int32]], arena: Arena) -> PrefixFeatures {
    let layout = model.textEmbedding.layout(prompts)
    let x = arena.tensor([layout.tokenCount, model.textTower.width])
    model.textEmbedding.forward(prompts, layout, into: x)
    model.textEmbedding.replaceContext(vectors, layout, in: x)
    return PrefixFeatures(x, layout)
  }

  /// Unit text features `[prompts, e]` of prompts with room for the context.
  public func unitTextFeatures(_ prompts: [[Int32]], by product: some MatrixProduct) -> Tensor {
    model.unitTextFeatures(of: embed(prompts, arena: Arena()), from: 0, by: product)
  }
}

/// The frozen text encoder behind a learned context.
struct LearnedContextTexts: TextBranch {
  let model: CLIP
  /// One per class, with room for the context.
  let prompts: [[Int32]]
  let dContext: Tensor

  /// The context is one part.
  var layers: [Int] { [0] }

  func tokenCount(of label: Int) -> Int { prompts[label].count }

  func forward(
    _ classes: [Int], arena: Arena, by product: some MatrixProduct, exchange: some BatchExchange
  ) throws -> BranchPass {
    try exchange.willUse(.text, layer: 0)
    let inputs = PromptContext(of: model).embed(classes.map { prompts[$0] }, arena: arena)
    let pass = try model.textTower.forward(inputs.values, inputs.layout, from: 0, arena: arena, by: product)
    return BranchPass(features: pass.features) { dFeatures in
      let dx = try model.textTower.backward(dFeatures, pass, gradients: nil, arena: arena, by: product)
      TextEmbedding.backwardContext(dx, inputs.layout, dContext: dContext)
      try exchange.gradientsReady(.text, layer: 0)
    }
  }
}
