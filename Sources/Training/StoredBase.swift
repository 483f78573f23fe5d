import CLIPModel
import Diagnostics
import Foundation
import ShardFiles
import Tensors

/// The trained vector before training, read from the model's file while a checkpoint is written, so that no memory is held
/// for it.
struct StoredBase: Sendable {
  private let weights: StoredWeights
  private let vector: TrainedVector
  private let file: String

  /// Compares this rank's ranges with the model in memory, which must be untuned.
  ///
  /// nil where the file cannot be read or is another one by now; checkpoints are larger then.
  init?(_ source: ModelSource, _ model: CLIP, _ vector: TrainedVector, _ ranges: [Range<Int>]) {
    guard let weights = try? StoredWeights(source, model.parameters.layout) else { return nil }
    self.weights = weights
    self.vector = vector
    file = weights.url.path
    let parts = ranges.flatMap(vector.parts).map(\.window)
    guard (try? parts.allSatisfy { try weights.holds(model.parameters.values(in: $0), at: $0) }) == true else {
      return nil
    }
  }

  private func read(_ range: Range<Int>, into target: UnsafeMutableBufferPointer<Float>) throws {
    for (part, window) in vector.parts(of: range) {
      let place = part.lowerBound - range.lowerBound..<part.upperBound - range.lowerBound
      try weights.read(window, into: UnsafeMutableBufferPointer(rebasing: target[place]))
    }
  }

  /// The values; nil where the file has been written to since.
  var values: BaseValues? { weights.isUnchanged ? BaseValues(read) : nil }

  /// Throws where the file has been written to, perhaps while a checkpoint was made with it.
  func check() throws {
    guard weights.isUnchanged else {
      throw Failure(
        .inputOutput, at: file, "the file was changed while a checkpoint stored differences to it",
        remedy: "do not change files in use")
    }
  }
}
