import CLIPModel
import Checkpoints
import Diagnostics
import Foundation
import ShardFiles
import StrictJSON
import Tensors

/// What people need to know of tuned weights beside the values.
package struct TunedDescription: Equatable, Sendable {
  /// How they were trained.
  package var method = "skip-tuning"
  /// First trained block of both encoders, where one start layer explains what is trained.
  package var startLayer: Int?
  /// The classes they were trained on, by label.
  package var classNames: [String]?
  /// The prompt they were trained with; `{}` stands for the class name.
  package var template: String?
  /// Where they come from, in words.
  package var source: String

  package init(source: String) { self.source = source }
}

/// Trained values that are to be laid over their base: of a checkpoint, of a delta file, or an average of such.
///
/// Nothing is in memory: values are read when they are asked for.
package struct TunedWeights {
  /// What is known of them.
  package var description: TunedDescription
  /// Names, shapes, and places in their vector.
  package let tensors: [TrainedTensor]
  /// Of the weights that they were trained from.
  package let baseFingerprint: Hash128
  /// What messages call them.
  package let place: String
  let open: (TrainedPart) throws -> any VectorSource

  init(
    _ description: TunedDescription, _ tensors: [TrainedTensor], baseFingerprint: Hash128, at place: String,
    open: @escaping (_ base: TrainedPart) throws -> any VectorSource
  ) {
    self.description = description
    self.tensors = tensors
    self.baseFingerprint = baseFingerprint
    self.place = place
    self.open = open
  }

  /// The parameters of a checkpoint, whose shards the caller has verified.
  package init(_ checkpoint: Checkpoint) {
    let manifest = checkpoint.manifest
    var description = TunedDescription(source: checkpoint.name)
    description.method = manifest.state["method"]?.string ?? description.method
    description.classNames = manifest.state["classes"]?.strings
    description.template = manifest.state["template"]?.string
    self.init(
      description, manifest.tensors, baseFingerprint: manifest.baseFingerprint, at: checkpoint.folder.path
    ) { base in
      try CheckpointVector("parameters", of: checkpoint, base: BaseValues(base))
    }
  }

  /// The values over their base, and where they lie in it.
  ///
  /// Throws `Failure(.badData)` where `base` is another model than the one that they were trained from; reading throws it
  /// where a value is not finite.
  func values(over base: BaseModel) throws -> (values: any VectorSource, places: TrainedPlaces) {
    try base.judge(baseFingerprint, of: place)
    let places = try TrainedPlaces(tensors, in: base, at: place)
    let values = try open(TrainedPart(of: base, places))
    return (FiniteVector(values, place: place), places)
  }

  /// The description with the start layer, which the trained tensors tell.
  func description(in layout: ParameterLayout) -> TunedDescription {
    var description = description
    description.startLayer = layout.startLayer(ofTrained: Set(tensors.map(\.name)))
    return description
  }

  /// How far each tensor lies from its base, in the order of `tensors`.
  package func movement(from base: BaseModel) throws -> [VectorDistance] {
    let (values, places) = try values(over: base)
    let before = TrainedPart(of: base, places)
    return try tensors.map { try VectorDistance(from: before, $0.range, to: values, $0.range) }
  }
}

extension JSONValue {
  /// The elements of a list of strings; nil for anything else.
  var strings: [String]? {
    guard let elements else { return nil }
    let strings = elements.compactMap(\.string)
    return strings.count == elements.count ? strings : nil
  }
}

/// A vector whose values must be finite.
private struct FiniteVector: VectorSource {
  private let vector: any VectorSource
  private let place: String

  init(_ vector: any VectorSource, place: String) {
    self.vector = vector
    self.place = place
  }

  var count: Int { vector.count }

  func read(_ range: Range<Int>, into destination: UnsafeMutableBufferPointer<Float>) throws {
    try vector.read(range, into: destination)
    guard destination.allSatisfy(\.isFinite) else {
      throw Failure(
        .badData, at: place, "the trained values hold NaN or infinity: training has diverged",
        remedy: "use an earlier checkpoint")
    }
  }
}

extension ParameterLayout {
  /// The start layer from which LSkip trains just these parameters; nil where there is none such.
  func startLayer(ofTrained names: Set<String>) -> Int? {
    (0...depth).first { layer in
      let ranges = Encoder.allCases.map { trainedRange(of: $0, from: layer) }
      let trained = slots.filter { slot in ranges.contains { $0.contains(slot.range.lowerBound) } }
      return trained.count == names.count && trained.allSatisfy { names.contains($0.name) }
    }
  }
}
