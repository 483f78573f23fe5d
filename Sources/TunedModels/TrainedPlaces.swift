import CLIPModel
import Checkpoints
import Diagnostics
import Tensors

/// A trained parameter and its place in a flat vector of such.
package typealias TrainedTensor = CheckpointManifest.TrainedTensor

/// Where a vector of trained tensors lies in the flat order of a whole model.
package struct TrainedPlaces: Sendable {
  /// Consecutive elements of both.
  struct Segment: Sendable, Equatable {
    var vector: Range<Int>
    var flat: Range<Int>
  }

  /// Ascending in the vector; neighbours in both are one.
  let segments: [Segment]

  /// Throws `Failure(.badData)` at `place` where a tensor is not part of the model or has another shape.
  init(_ tensors: [TrainedTensor], in base: BaseModel, at place: String) throws {
    var segments: [Segment] = []
    for tensor in tensors {
      guard let slot = base.layout[tensor.name], slot.shape == tensor.shape else {
        throw Failure(
          .badData, at: place,
          "tensor \(quoted(tensor.name)) of shape \(tensor.shape) is not part of the model of \(base.place)",
          remedy:
            "give the base model that it was tuned from; what adapter, linear-probe and prompt-tuning train is no part "
            + "of a model and is tested with skiptune evaluate and the run's method.kind")
      }
      if let last = segments.last, last.vector.upperBound == tensor.range.lowerBound,
        last.flat.upperBound == slot.range.lowerBound
      {
        segments[segments.count - 1] = Segment(
          vector: last.vector.lowerBound..<tensor.range.upperBound, flat: last.flat.lowerBound..<slot.range.upperBound)
      } else {
        segments.append(Segment(vector: tensor.range, flat: slot.range))
      }
    }
    self.segments = segments
  }
}

/// The values that a model has where the tensors of a trained vector lie.
struct TrainedPart: VectorSource, Sendable {
  private let whole: any VectorSource & Sendable
  private let segments: [TrainedPlaces.Segment]

  init(of base: BaseModel, _ places: TrainedPlaces) {
    whole = base.values
    segments = places.segments
  }

  var count: Int { segments.last?.vector.upperBound ?? 0 }

  func read(_ range: Range<Int>, into destination: UnsafeMutableBufferPointer<Float>) throws {
    for segment in segments {
      let part = segment.vector.clamped(to: range)
      guard !part.isEmpty else { continue }
      let offset = segment.flat.lowerBound - segment.vector.lowerBound
      try whole.read(
        part.lowerBound + offset..<part.upperBound + offset, into: destination.places(of: part, in: range))
    }
  }
}

/// A whole model in flat order: trained values where there are such, and those of the base elsewhere.
struct OverlaidWeights: VectorSource {
  private let base: any VectorSource & Sendable
  private let trained: any VectorSource
  /// Ascending in the flat order.
  private let segments: [TrainedPlaces.Segment]

  init(_ trained: any VectorSource, _ places: TrainedPlaces, over base: BaseModel) {
    self.base = base.values
    self.trained = trained
    segments = places.segments.sorted { $0.flat.lowerBound < $1.flat.lowerBound }
  }

  var count: Int { base.count }

  func read(_ range: Range<Int>, into destination: UnsafeMutableBufferPointer<Float>) throws {
    var start = range.lowerBound
    for segment in segments {
      let part = segment.flat.clamped(to: range)
      guard !part.isEmpty else { continue }
      try base.read(start..<part.lowerBound, into: destination.places(of: start..<part.lowerBound, in: range))
      let offset = segment.vector.lowerBound - segment.flat.lowerBound
      try trained.read(
        part.lowerBound + offset..<part.upperBound + offset, into: destination.places(of: part, in: range))
      start = part.upperBound
    }
    try base.read(start..<range.upperBound, into: destination.places(of: start..<range.upperBound, in: range))
  }
}

extension UnsafeMutableBufferPointer<Float> {
  /// Where a part of a range lies in a buffer that holds the range.
  fileprivate func places(of part: Range<Int>, in range: Range<Int>) -> UnsafeMutableBufferPointer<Float> {
    UnsafeMutableBufferPointer(
      rebasing: self[part.lowerBound - range.lowerBound..<part.upperBound - range.lowerBound])
  }
}
