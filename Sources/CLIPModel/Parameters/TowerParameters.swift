import Kernels
import Tensors

/// Weight and bias of a norm or a linear layer: values or gradients.
public struct AffineParameters: Sendable {
  /// `[out, in]`, or `[width]` for a norm.
  public let weight: Tensor
  /// `[out]`, or `[width]` for a norm.
  public let bias: Tensor

  init(_ store: ParameterStore, _ name: String) {
    weight = store.required("\(name).weight")
    bias = store.required("\(name).bias")
  }

  fileprivate init(weight: Tensor, bias: Tensor) {
    self.weight = weight
    self.bias = bias
  }

  /// Some of a layer's outputs, as a layer.
  fileprivate func outputs(_ range: Range<Int>) -> AffineParameters {
    AffineParameters(weight: weight.rows(range), bias: bias.slice(range))
  }
}

/// The parameters of one residual block, or their gradients.
public struct BlockParameters: Sendable {
  let norm1: AffineParameters
  /// Query, key and value as one layer, `[3 * width, width]`.
  let qkv: AffineParameters
  /// Its first third, `[width, width]`, and the rest, `[2 * width, width]`.
  let query, keyValue: AffineParameters
  let output: AffineParameters
  let norm2: AffineParameters
  let expansion: AffineParameters
  let contraction: AffineParameters
  /// The weights as products read them, where they do not change any more.
  fileprivate(set) var frozen: BlockWeights?

  init(_ store: ParameterStore, _ encoder: Encoder, layer: Int) {
    let name = "\(encoder.prefix).encoder.layers.\(layer)"
    norm1 = AffineParameters(store, "\(name).layer_norm1")
    qkv = AffineParameters(
      weight: store.fused("\(name).self_attn", "weight"), bias: store.fused("\(name).self_attn", "bias"))
    let width = qkv.bias.count / 3
    query = qkv.outputs(0..<width)
    keyValue = qkv.outputs(width..<3 * width)
    output = AffineParameters(store, "\(name).self_attn.out_proj")
    norm2 = AffineParameters(store, "\(name).layer_norm2")
    expansion = AffineParameters(store, "\(name).mlp.fc1")
    contraction = AffineParameters(store, "\(name).mlp.fc2")
  }
}

/// The parameters of an encoder from a start layer on, or their gradients: what `Tower` computes with.
public struct TowerParameters: Sendable {
  /// Index of the first block that is here.
  public let startLayer: Int
  private(set) var blocks: [BlockParameters]
  let finalNorm: AffineParameters
  /// `[embedding, width]`, without bias.
  let projection: Tensor

  /// Views on a store, which must hold the encoder's blocks from `startLayer` on.
  public init(_ store: ParameterStore, _ encoder: Encoder, depth: Int, from startLayer: Int = 0) {
    self.startLayer = startLayer
    blocks = (startLayer..<depth).map { BlockParameters(store, encoder, layer: $0) }
    finalNorm = AffineParameters(store, encoder.finalNormName)
    projection = store.required(encoder.projectionName)
  }

  func block(_ layer: Int) -> BlockParameters { blocks[layer - startLayer] }

  /// The same with copies of the weights of some blocks, in another format.
  func freezing(_ layers: Range<Int>, _ format: ElementFormat) -> TowerParameters {
    var parameters = self
    for layer in layers {
      parameters.blocks[layer - startLayer].frozen = BlockWeights(frozen: block(layer), format)
    }
    return parameters
  }
}

extension ParameterStore {
  func required(_ name: String) -> Tensor {
    guard let tensor = self[name] else { preconditionFailure("\(name) is not stored") }
    return tensor
  }

  /// Query, key and value parts, neighbours in the layout, as one tensor.
  fileprivate func fused(_ attention: String, _ kind: String) -> Tensor {
    let parts = ["q", "k", "v"].map { layout["\(attention).\($0)_proj.\(kind)"]! }
    let all = values(in: parts[0].range.lowerBound..<parts[2].range.upperBound)
    return all.reshaped([3 * parts[0].shape[0]] + parts[0].shape.dropFirst())
  }
}
