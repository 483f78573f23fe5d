import CLIPModel
import Foundation
import Tensors

extension CLIP {
  /// Reads a Hugging Face CLIP folder and lays a delta file over it, if one is given.
  ///
  /// Throws `Failure` for what is wrong with either, and where the delta was tuned from another model.
  package init(huggingFaceFolder folder: URL, delta: TunedWeights?) throws {
    try self.init(huggingFaceFolder: folder)
    if let delta { try apply(delta, baseFolder: folder) }
  }

  /// Lays tuned weights over the model, which must be their base; `baseFolder` is where it came from, for messages.
  ///
  /// Throws `Failure(.badData)` where it is not, or where they are damaged; the model is of no use then.
  package func apply(_ tuned: TunedWeights, baseFolder: URL) throws {
    let base = BaseModel(self, at: baseFolder.path)
    let (values, places) = try tuned.values(over: base)
    for segment in places.segments {
      // Differences are taken to what is in the very places that are written, each before it is.
      try values.read(segment.vector, into: parameters.values(in: segment.flat).buffer)
    }
  }
}
