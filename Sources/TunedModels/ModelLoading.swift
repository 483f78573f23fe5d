import CLIPModel
import Foundation
import Tensors

extension CLIP {
  /// Reads a pretrained CLIP and lays a delta file over it, if one is given.
  ///
  /// Throws `Failure` for what is wrong with either, and where the delta was tuned from another model.
  package init(_ weights: WeightsFile, delta: TunedWeights?) throws {
    try self.init(weights)
    if let delta { try apply(delta, base: weights.source.name) }
  }

  /// Lays tuned weights over the model, which must be their base; `base` is where it came from, for messages.
  ///
  /// Throws `Failure(.badData)` where it is not, or where they are damaged; the model is of no use then.
  package func apply(_ tuned: TunedWeights, base place: String) throws {
    let base = BaseModel(self, at: place)
    let (values, places) = try tuned.values(over: base)
    for segment in places.segments {
      // Differences are taken to what is in the very places that are written, each before it is.
      try values.read(segment.vector, into: parameters.values(in: segment.flat).buffer)
    }
  }
}
