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

  /// All parameters, in flat order.
  public let slots: [Slot]
  /// Elements of all parameters.
  public let count: Int
  private let indices: [String: Int]
  private let suffixStarts: [Encoder: [Int]]
  private let ends: [Encoder: Int]

  /// The layout of a model of the given shape.
  public init(_ configuration: CLIPConfiguration) {
    var builder = Builder()
    var suffixStarts: [Encoder: [Int]] = [:]
    var ends: [Encoder: Int] = [:]
    for encoder in Encoder.allCases {
      suffixStarts[encoder] = builder.append(encoder, configuration)
      ends[encoder] = builder.count
    }
    builder.append("logit_scale", [])
    slots = builder.slots
    count = builder.count
    indices = Dictionary(uniqueKeysWithValues: slots.enumerated().map { ($1.name, $0) })
    self.suffixStarts = suffixStarts
    self.ends = ends
  }

  /// Blocks of the shallower encoder: the largest start layer that both have.
  public var depth: Int { suffixStarts.values.map { $0.count - 1 }.min()! }

  /// The place of a parameter, or nil where the model has none of that name.
  public subscript(name: String) -> Slot? { indices[name].map { slots[$0] } }

  /// What LSkip trains of an encoder: block `startLayer` up to the projection, as elements of the flat order.
  ///
  /// Source: section "LSkip" of docs/method.md. `startLayer` is `0...depth`; at `depth`, only the final norm and the
  /// projection are left.
  public func trainedRange(of encoder: Encoder, from startLayer: Int) -> Range<Int> {
    suffixStarts[encoder]![startLayer]..<ends[encoder]!
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
