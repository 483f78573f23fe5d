import CLIPModel
import SkipTuning
import Tensors

/// The trained parameters as one flat vector: image encoder, then text encoder, as gradients and momentum are stored.
struct TrainedVector: Sendable {
  private let parameters: ParameterStore
  /// The parts of the flat parameter order, and where each begins in the vector.
  private let windows: [(window: Range<Int>, start: Int)]

  init(_ trained: TrainedParameters, of parameters: ParameterStore) {
    self.parameters = parameters
    var start = 0
    windows = Encoder.allCases.map { encoder in
      let window = trained.windows[encoder]!
      defer { start += window.count }
      return (window, start)
    }
  }

  /// Parameters of a range that lies inside one encoder, shared with the model; traps for other ranges.
  func part(_ range: Range<Int>) -> Tensor {
    let (window, start) = windows.last { $0.start <= range.lowerBound }!
    let offset = window.lowerBound - start
    precondition(range.upperBound + offset <= window.upperBound, "elements \(range) belong to two encoders")
    return parameters.values(in: range.lowerBound + offset..<range.upperBound + offset)
  }

  /// Elements of the vector.
  var count: Int { windows.reduce(0) { $0 + $1.window.count } }

  /// Copies the vector's elements `range` to memory for as many.
  func copy(_ range: Range<Int>, to target: UnsafeMutableBufferPointer<Float>) {
    for (part, window) in parts(of: range) {
      let place = part.lowerBound - range.lowerBound..<part.upperBound - range.lowerBound
      _ = UnsafeMutableBufferPointer(rebasing: target[place])
        .update(fromContentsOf: parameters.values(in: window).buffer)
    }
  }

  /// Overwrites all trained parameters.
  func write(_ values: Tensor) {
    for (part, window) in parts(of: 0..<values.count) {
      parameters.values(in: window).copy(from: values.slice(part))
    }
  }

  /// The parts of a range that lie in one window each, and where they are in the model's flat parameter order.
  func parts(of range: Range<Int>) -> [(part: Range<Int>, window: Range<Int>)] {
    windows.compactMap { window, start in
      let part = range.clamped(to: start..<start + window.count)
      let offset = window.lowerBound - start
      return part.isEmpty ? nil : (part, part.lowerBound + offset..<part.upperBound + offset)
    }
  }
}
