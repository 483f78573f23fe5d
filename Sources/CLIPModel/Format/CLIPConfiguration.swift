import Kernels

/// Sizes and choices that make one CLIP architecture.
public struct CLIPConfiguration: Sendable, Equatable {
  /// Sizes of one transformer.
  public struct Tower: Sendable, Equatable {
    /// Transformer blocks.
    public var depth: Int
    /// Elements of a hidden state; a multiple of `headCount`.
    public var width: Int
    /// Attention heads.
    public var headCount: Int
    /// Elements of the hidden layer of an MLP.
    public var mlpWidth: Int

    /// A tower of the given sizes.
    public init(depth: Int, width: Int, headCount: Int, mlpWidth: Int) {
      self.depth = depth
      self.width = width
      self.headCount = headCount
      self.mlpWidth = mlpWidth
    }

    /// Elements of one attention head.
    public var headWidth: Int { width / headCount }
  }

  /// The image tower.
  public var vision: Tower
  /// Side of the square input image in pixels; a multiple of `patchSize`.
  public var imageSize: Int
  /// Side of a square patch in pixels.
  public var patchSize: Int
  /// The text tower.
  public var text: Tower
  /// Most tokens of a text, start and end included.
  public var contextLength: Int
  /// Rows of the token embedding; a tokenizer may use fewer.
  public var vocabularySize: Int
  /// Elements of the features that images and texts are compared by (`projection_dim`).
  public var embeddingWidth: Int
  /// Nonlinearity of both towers' MLPs.
  public var activation: Activation
  /// What layer norms add to the variance.
  public var layerNormEpsilon: Float
  /// The token at whose position a text's feature is read, as the configuration names it.
  ///
  /// Old configurations say 2, which is wrong and which Hugging Face's code takes to mean the token of the highest number;
  /// nil when the file says null.
  public var eosTokenID: Int?

  /// A configuration of the given sizes, which the caller has checked.
  public init(
    vision: Tower, imageSize: Int, patchSize: Int, text: Tower, contextLength: Int, vocabularySize: Int,
    embeddingWidth: Int, activation: Activation, layerNormEpsilon: Float = 1e-5, eosTokenID: Int?
  ) {
    self.vision = vision
    self.imageSize = imageSize
    self.patchSize = patchSize
    self.text = text
    self.contextLength = contextLength
    self.vocabularySize = vocabularySize
    self.embeddingWidth = embeddingWidth
    self.activation = activation
    self.layerNormEpsilon = layerNormEpsilon
    self.eosTokenID = eosTokenID
  }

  /// Patches of an image.
  public var patchesPerImage: Int { (imageSize / patchSize) * (imageSize / patchSize) }

  /// Tokens of an image: the class token and its patches.
  public var tokensPerImage: Int { 1 + patchesPerImage }
}
