import CLIPModel
import SkipTuning
import Tensors

/// The trained parameters as one flat vector: image encoder, then text encoder, as gradients and momentum are stored.
struct TrainedVector {
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

  /// New memory that holds the vector's elements `range`.
  func copy(_ range: Range<Int>) -> Tensor {
    let copy = Tensor(uninitialized: [range.count])
    forEachPart(of: range) { part, values in
      copy.slice(part.lowerBound - range.lowerBound..<part.upperBound - range.lowerBound).copy(from: values)
    }
    return copy
  }

  /// Overwrites all trained parameters.
  func write(_ values: Tensor) {
    forEachPart(of: 0..<values.count) { part, target in target.copy(from: values.slice(part)) }
  }

  /// Calls `body` with each part of the range that lies in one window, and that part of the model's parameters.
  private func forEachPart(of range: Range<Int>, _ body: (_ part: Range<Int>, _ values: Tensor) -> Void) {
    for (window, start) in windows {
      let part = range.clamped(to: start..<start + window.count)
      guard !part.isEmpty else { continue }
      let offset = window.lowerBound - start
      body(part, parameters.values(in: part.lowerBound + offset..<part.upperBound + offset))
    }
  }
}
