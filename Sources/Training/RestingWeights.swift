import CLIPModel
import Diagnostics
import SkipTuning
import Tensors

/// Frozen weights that are not in memory while nothing computes with them, and come back from the model's file.
///
/// Steps use what is trained alone, and making image features uses the image encoder alone. Only for a model that no other
/// rank shares.
final class RestingWeights {
  private let model: CLIP
  private let stored: StoredWeights
  /// What of each encoder is frozen, as elements of the flat order.
  private let frozen: [Encoder: Range<Int>]
  private var resting: Set<Encoder> = []

  /// Bytes from which on it is worth the while.
  private static let least = 1 << 20

  /// Of a model whose values came from `weights`, and whose encoders are trained from a block on; nil where little is
  /// frozen.
  init?(_ weights: WeightsFile, _ model: CLIP, _ trained: TrainedParameters) {
    guard Self.isWorthwhile(model, trained) else { return nil }
    self.model = model
    frozen = Self.frozen(model, trained)
    stored = StoredWeights(weights)
  }

  /// Whether enough is frozen that it should leave memory.
  static func isWorthwhile(_ model: CLIP, _ trained: TrainedParameters) -> Bool {
    frozen(model, trained).values.reduce(0) { $0 + $1.count } * MemoryLayout<Float>.stride >= least
  }

  private static func frozen(_ model: CLIP, _ trained: TrainedParameters) -> [Encoder: Range<Int>] {
    Dictionary(
      uniqueKeysWithValues: Encoder.allCases.map {
        let all = model.parameters.layout.trainedRange(of: $0, from: ParameterLayout.embeddingLayer)
        return ($0, all.lowerBound..<trained.windows[$0]!.lowerBound)
      })
  }

  /// Has the frozen weights of these encoders in memory, and of no others: whoever reads those traps.
  ///
  /// They stay where somebody has written to the file since it was opened. Throws `Failure` where that has happened to
  /// weights that are to come back, or the file cannot be read.
  func keep(_ encoders: [Encoder]) throws {
    for encoder in Encoder.allCases where encoders.contains(encoder) == resting.contains(encoder) {
      let values = model.parameters.values(in: frozen[encoder]!)
      if resting.remove(encoder) != nil {
        values.restore()
        try stored.read(frozen[encoder]!, into: values.buffer)
        try check()
      } else if stored.isUnchanged {
        values.discard()
        resting.insert(encoder)
      }
    }
  }

  private func check() throws {
    guard stored.isUnchanged else {
      throw Failure(
        .inputOutput, at: stored.url.path, "the file was changed while a training used it",
        remedy: "bring the file back and start the same command again, and do not change files in use")
    }
  }
}
