import Kernels
import Tensors

#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// A CLIP (Radford et al., 2021): an image encoder and a text encoder into one embedding space.
///
/// The towers are views on `parameters`: what an optimiser changes there, they compute with at once.
public struct CLIP: Sendable {
  /// Shapes and activation.
  public let configuration: CLIPConfiguration
  /// All weights.
  public let parameters: ParameterStore
  /// Pixels to the input of the image tower.
  public let imageEmbedding: ImageEmbedding
  /// Blocks, final norm and projection of the image encoder.
  public private(set) var imageTower: Tower
  /// Token ids to the input of the text tower.
  public let textEmbedding: TextEmbedding
  /// Blocks, final norm and projection of the text encoder.
  public private(set) var textTower: Tower

  /// A model over the given weights, which must hold every parameter of the layout.
  public init(_ configuration: CLIPConfiguration, _ parameters: ParameterStore) {
    self.configuration = configuration
    self.parameters = parameters
    imageEmbedding = ImageEmbedding(parameters, configuration)
    textEmbedding = TextEmbedding(parameters)
    imageTower = Self.tower(.image, configuration, parameters)
    textTower = Self.tower(.text, configuration, parameters)
  }

  /// What cosine similarities are multiplied with: `exp(logit_scale)`.
  public var logitScale: Float { exp(parameters.required("logit_scale")[0]) }

  /// Blocks of the shallower encoder: the largest start layer that both have.
  public var depth: Int { min(imageTower.depth, textTower.depth) }

  /// The tower of an encoder.
  public func tower(_ encoder: Encoder) -> Tower { encoder == .image ? imageTower : textTower }

  /// The same model, with copies of the weights of an encoder's blocks before `layer` as `product` reads them
  /// (`Tower.freezing`).
  public func freezing(_ encoder: Encoder, upTo layer: Int, for product: some MatrixProduct) -> CLIP {
    var model = self
    switch encoder {
    case .image: model.imageTower = imageTower.freezing(0..<layer, for: product)
    case .text: model.textTower = textTower.freezing(0..<layer, for: product)
    }
    return model
  }

  /// The same model, whose towers make activations once more in backward passes where `recomputes` (`Tower.recomputing`).
  public func recomputing(_ recomputes: Bool = true) -> CLIP {
    var model = self
    model.imageTower = imageTower.recomputing(recomputes)
    model.textTower = textTower.recomputing(recomputes)
    return model
  }

  private static func tower(
    _ encoder: Encoder, _ configuration: CLIPConfiguration, _ parameters: ParameterStore
  ) -> Tower {
    let shape = encoder == .image ? configuration.vision : configuration.text
    return Tower(
      parameters: TowerParameters(parameters, encoder, depth: shape.depth),
      block: TransformerBlock(
        attention: Attention(headCount: shape.headCount, isCausal: encoder == .text),
        activation: configuration.activation, epsilon: configuration.layerNormEpsilon),
      readOut: encoder == .image ? .first : .last, depth: shape.depth, width: shape.width)
  }
}
