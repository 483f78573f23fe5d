import CLIPModel
import Checkpoints
import Diagnostics
import ShardFiles
import Tensors

/// The weights that tuned ones were trained from, on the disk or in memory.
package struct BaseModel: Sendable {
  /// What messages call them.
  package let place: String
  /// Names, shapes and places of all parameters.
  package let layout: ParameterLayout
  /// As checkpoints and delta files have it.
  package let fingerprint: Hash128
  /// In the flat order of the layout.
  let values: any VectorSource & Sendable

  /// Weights on the disk, which are read once, piece by piece.
  ///
  /// Throws `Failure` where they are damaged or not finite, or cannot be read.
  package init(_ weights: WeightsFile) throws {
    place = weights.url.path
    layout = weights.layout
    values = weights
    try weights.verify()
    let slots = weights.layout.slots
    fingerprint = try BaseFingerprint.of(slots.map { ($0.name, $0.shape) }) { index, append in
      try weights.forEachPiece(of: slots[index].range) { _, piece in
        try weights.judge(piece, of: slots[index])
        append(piece)
      }
    }
  }

  /// The weights of a model in memory, which stay shared with it; `place` is what messages call them.
  package init(_ model: CLIP, at place: String) {
    self.place = place
    layout = model.parameters.layout
    values = model.parameters
    fingerprint = BaseFingerprint.of(model)
  }

  /// Throws `Failure(.badData)` at `tuned` unless these are the weights that the fingerprint in it tells of.
  func judge(_ stored: Hash128, of tuned: String) throws {
    guard stored == fingerprint else {
      throw Failure(
        .badData, at: tuned,
        "it was tuned from other weights (fingerprint \(stored)) than those of \(place) (\(fingerprint))",
        remedy: "give the base model that it was tuned from")
    }
  }
}

extension BaseFingerprint {
  /// The same of a model in memory, without what a method added to it.
  package static func of(_ model: CLIP) -> Hash128 {
    of(model.parameters.layout.modelSlots.map { ($0.name, model.parameters[$0.name]!) })
  }
}
