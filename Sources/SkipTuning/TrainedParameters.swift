import CLIPModel
import Tensors

/// The parameters that have gradients, optimiser state and network traffic: of Skip Tuning, the post-skip ones alone.
public struct TrainedParameters: Sendable {
  /// First trained block of both encoders (omega); beyond the last where no block is trained.
  public let startLayer: Int
  /// Trained ranges of the flat parameter order: image encoder, then text encoder.
  ///
  /// What a method adds to the model belongs to the encoder whose learning rate it has.
  public let windows: [Encoder: Range<Int>]
  /// The parts of each window, by layer: blocks, final norm and projection (the encoder's depth), embeddings
  /// (`ParameterLayout.embeddingLayer`); all of what a method adds is layer 0.
  public let layers: [Encoder: [Int: Range<Int>]]

  /// What LSkip trains of a model from `startLayer` on, `0...model.depth`; from 0 on, with the embeddings too if wanted.
  public init(of model: CLIP, from startLayer: Int, embeddings: Bool = false) {
    precondition((0...model.depth).contains(startLayer), "start layer \(startLayer) of \(model.depth)")
    precondition(startLayer == 0 || !embeddings, "embeddings are trained with all blocks")
    self.startLayer = startLayer
    let layout = model.parameters.layout
    let first = embeddings ? ParameterLayout.embeddingLayer : startLayer
    windows = Self.forEachEncoder { layout.trainedRange(of: $0, from: first) }
    layers = Self.forEachEncoder { encoder in
      let numbers = Array(first...model.tower(encoder).depth)
      let starts = numbers.map { layout.trainedRange(of: encoder, from: $0).lowerBound }
      let ends = starts.dropFirst() + [layout.trainedRange(of: encoder, from: first).upperBound]
      return Dictionary(uniqueKeysWithValues: zip(numbers, zip(starts, ends).map { $0..<$1 }))
    }
  }

  /// What a method has added to a model, with the learning rate of `encoder`; the model itself is frozen.
  public init(additionsTo model: CLIP, as encoder: Encoder) {
    let layout = model.parameters.layout
    let range = layout.modelCount..<layout.count
    startLayer = model.depth + 1
    // Before the additions and behind them, so that windows are ascending.
    windows = Self.forEachEncoder {
      $0 == encoder ? range : $0 == .image ? range.lowerBound..<range.lowerBound : range.upperBound..<range.upperBound
    }
    layers = Self.forEachEncoder { $0 == encoder ? [0: range] : [:] }
  }

  private static func forEachEncoder<Value>(_ value: (Encoder) -> Value) -> [Encoder: Value] {
    Dictionary(uniqueKeysWithValues: Encoder.allCases.map { ($0, value($0)) })
  }

  /// Elements of all trained parameters.
  public var count: Int { windows.values.reduce(0) { $0 + $1.count } }

  /// Bytes of their gradients: what a step sends.
  public var byteCount: Int { count * MemoryLayout<Float>.stride }

  /// What a store of the flat order has of a layer, shared.
  public func values(of encoder: Encoder, layer: Int, in store: ParameterStore) -> Tensor {
    store.values(in: layers[encoder]![layer]!)
  }

  /// Elements of the largest layer.
  public var largestLayer: Int { layers.values.flatMap(\.values).map(\.count).max() ?? 0 }

  /// Room for the gradients of one layer at a time: for updates as soon as these are there (`LayerUpdates`).
  public func makeLayerStore(_ layout: ParameterLayout) -> ParameterStore {
    let ranges = layers.values.flatMap(\.values).sorted { $0.lowerBound < $1.lowerBound }
    return ParameterStore(layout, takingTurns: ranges)
  }

  /// Zeros, one per trained parameter: for gradients.
  public func makeStore(_ layout: ParameterLayout) -> ParameterStore {
    makeStore(layout, values: Tensor(zeros: [count]))
  }

  /// A store over memory of the caller's, `[count]`.
  public func makeStore(_ layout: ParameterLayout, values: Tensor) -> ParameterStore {
    ParameterStore(layout, windows: Encoder.allCases.map { windows[$0]! }, values: values)
  }
}
