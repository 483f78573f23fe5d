import CLIPModel
import Tensors

/// The post-skip parameters: the only ones that have gradients, optimiser state and network traffic.
public struct TrainedParameters: Sendable {
  /// First trained block of both encoders (omega).
  public let startLayer: Int
  /// Trained ranges of the flat parameter order: image encoder, then text encoder.
  public let windows: [Encoder: Range<Int>]

  /// What LSkip trains of a model from `startLayer` on; `0...model.depth`.
  public init(of model: CLIP, from startLayer: Int) {
    precondition((0...model.depth).contains(startLayer), "start layer \(startLayer) of \(model.depth)")
    self.startLayer = startLayer
    windows = Dictionary(
      uniqueKeysWithValues: Encoder.allCases.map {
        ($0, model.parameters.layout.trainedRange(of: $0, from: startLayer))
      })
  }

  /// Elements of all trained parameters.
  public var count: Int { windows.values.reduce(0) { $0 + $1.count } }

  /// Bytes of their gradients: what a step sends.
  public var byteCount: Int { count * MemoryLayout<Float>.stride }

  /// Zeros, one per trained parameter: for gradients.
  public func makeStore(_ layout: ParameterLayout) -> ParameterStore {
    makeStore(layout, values: Tensor(zeros: [count]))
  }

  /// A store over memory of the caller's, `[count]`.
  public func makeStore(_ layout: ParameterLayout, values: Tensor) -> ParameterStore {
    ParameterStore(layout, windows: Encoder.allCases.map { windows[$0]! }, values: values)
  }
}
