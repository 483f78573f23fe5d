/// The two encoders of a CLIP.
public enum Encoder: String, Sendable, CaseIterable {
  case image
  case text

  /// What Hugging Face's parameter names begin with.
  var prefix: String { self == .image ? "vision_model" : "text_model" }
}

/// Every parameter of a CLIP under its Hugging Face name, in one flat order.
///
/// Each encoder is laid out in the order of depth: embeddings, blocks, final norm, projection. So whatever is trained from
/// a start layer on is one contiguous range per encoder, and query, key and value weights of a block are one matrix.
public struct ParameterLayout: Sendable, Equatable {
  /// One parameter's place.
  public struct Slot: Sendable, Equatable {
    /// Hugging Face name, for example `vision_model.encoder.layers.0.mlp.fc1.weight`.
    public let name: String
    /// Extents, outermost first; empty for a scalar.
    public let shape: [Int]
    /// Elements in the flat order.
    public let range: Range<Int>
  }

  /// A parameter that a method of tuning has beside the model's own.
  public struct Addition: Sendable, Equatable {
    /// Unlike any name of the model's.
    public let name: String
    /// Extents, outermost first.
    public let shape: [Int]

    /// A parameter of the given name and shape.
    public init(_ name: String, _ shape: [Int]) {
      self.name = name
      self.shape = shape
    }
  }

  /// What stands for an encoder's embeddings (and the image encoder's first norm) where layers are numbered.
  public static let embeddingLayer = -1

  /// All parameters, in flat order: the model's, then what was added to it.
  public let slots: [Slot]
  /// Those of the model.
  public let modelSlots: [Slot]
  /// Elements of all parameters.
  public let count: Int
  private let indices: [String: Int]
  private let suffixStarts: [Encoder: [Int]]
  private let windows: [Encoder: Range<Int>]

  /// The layout of a model of the given shape, and of what is added to it.
  public init(_ configuration: CLIPConfiguration, adding additions: [Addition] = []) {
    var builder = Builder()
    var suffixStarts: [Encoder: [Int]] = [:]
    var windows: [Encoder: Range<Int>] = [:]
    for encoder in Encoder.allCases {
      let start = builder.count
      suffixStarts[encoder] = builder.append(encoder, configuration)
      windows[encoder] = start..<builder.count
    }
    builder.append("logit_scale", [])
    modelSlots = builder.slots
    for addition in additions { builder.append(addition.name, addition.shape) }
    slots = builder.slots
    count = builder.count
    indices = Dictionary(uniqueKeysWithValues: slots.enumerated().map { ($1.name, $0) })
    self.suffixStarts = suffixStarts
    self.windows = windows
  }

  /// Elements of the model's own parameters.
  public var modelCount: Int { modelSlots.last!.range.upperBound }

  /// What was added to the model's own parameters.
  public var additions: [Slot] { Array(slots[modelSlots.count...]) }

  /// Blocks of the shallower encoder: the largest start layer that both have.
  public var depth: Int { suffixStarts.values.map { $0.count - 1 }.min()! }

  /// The place of a parameter, or nil where the model has none of that name.
  public subscript(name: String) -> Slot? { indices[name].map { slots[$0] } }

  /// What LSkip trains of an encoder: block `startLayer` up to the projection, as elements of the flat order.
  ///
  /// Source: section "LSkip" of docs/method.md. `startLayer` is `0...depth`; at `depth`, only the final norm and the
  /// projection are left. From `embeddingLayer` on, it is all of the encoder.
  public func trainedRange(of encoder: Encoder, from startLayer: Int) -> Range<Int> {
    let window = windows[encoder]!
    return startLayer == Self.embeddingLayer ? window : suffixStarts[encoder]![startLayer]..<window.upperBound
  }
}

/// Appends parameters in flat order.
private struct Builder {
  var slots: [ParameterLayout.Slot] = []
  var count = 0

  mutating func append(_ name: String, _ shape: [Int]) {
    let end = count + shape.reduce(1, *)
    slots.append(ParameterLayout.Slot(name: name, shape: shape, range: count..<end))
    count = end
  }

  /// Appends one encoder; returns where each block begins, and where the final norm does.
  mutating func append(_ encoder: Encoder, _ configuration: CLIPConfiguration) -> [Int] {
    let tower = encoder == .image ? configuration.vision : configuration.text
    let embeddings = "\(encoder.prefix).embeddings"
    switch encoder {
    case .image:
      append("\(embeddings).class_embedding", [tower.width])
      append(
        "\(embeddings).patch_embedding.weight", [tower.width, 3, configuration.patchSize, configuration.patchSize])
      append("\(embeddings).position_embedding.weight", [configuration.tokensPerImage, tower.width])
      appendAffine("\(encoder.prefix).pre_layrnorm", [tower.width])
    case .text:
      append("\(embeddings).token_embedding.weight", [configuration.vocabularySize, tower.width])
      append("\(embeddings).position_embedding.weight", [configuration.contextLength, tower.width])
    }
    var starts: [Int] = []
    for layer in 0..<tower.depth {
      starts.append(count)
      appendBlock("\(encoder.prefix).encoder.layers.\(layer)", width: tower.width, mlpWidth: tower.mlpWidth)
    }
    starts.append(count)
    appendAffine(encoder.finalNormName, [tower.width])
    append(encoder.projectionName, [configuration.embeddingWidth, tower.width])
    return starts
  }

  /// Weight and bias of a norm or a linear layer.
  mutating func appendAffine(_ name: String, _ shape: [Int]) {
    append("\(name).weight", shape)
    append("\(name).bias", [shape[0]])
  }

  mutating func appendBlock(_ name: String, width: Int, mlpWidth: Int) {
    appendAffine("\(name).layer_norm1", [width])
    // All three weights, then all three biases: together they read as one [3 width, width] layer.
    for part in ["q", "k", "v"] { append("\(name).self_attn.\(part)_proj.weight", [width, width]) }
    for part in ["q", "k", "v"] { append("\(name).self_attn.\(part)_proj.bias", [width]) }
    appendAffine("\(name).self_attn.out_proj", [width, width])
    appendAffine("\(name).layer_norm2", [width])
    appendAffine("\(name).mlp.fc1", [mlpWidth, width])
    appendAffine("\(name).mlp.fc2", [width, mlpWidth])
  }
}

extension Encoder {
  var finalNormName: String { self == .image ? "vision_model.post_layernorm" : "text_model.final_layer_norm" }
  var projectionName: String { self == .image ? "visual_projection.weight" : "text_projection.weight" }
}
