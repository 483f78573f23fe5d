import CLIPModel
import Foundation
import Tensors

/// How a tuned model is written.
package enum ExportFormat: String, CaseIterable, Sendable {
  /// A folder that Hugging Face's `CLIPModel` and skiptune load.
  case huggingface
  /// A folder that open_clip loads; the weights carry OpenAI's names.
  case openai
  /// A file of the trained parameters, to be laid over the base.
  case delta
}

extension TunedWeights {
  /// Writes a new file or folder, which is there whole or not at all; memory is that of a few tensors.
  ///
  /// Throws `Failure`: `.badData` where they do not fit the base of `weights`, `.cannotCreate` where something is there
  /// already or there is no room, `.inputOutput` when writing fails part-way.
  package func export(
    _ format: ExportFormat, over weights: WeightsFile, base: BaseModel, programVersion: String, to output: URL
  ) throws {
    let (values, places) = try values(over: base)
    switch format {
    case .huggingface:
      let whole = OverlaidWeights(values, places, over: base)
      try HuggingFaceFolder.write(whole, weights.configuration, tunedFrom: weights.source, to: output)
    case .openai:
      let configuration = weights.configuration
      let preprocessing = try ImagePreprocessing(weights.source, imageSize: configuration.imageSize)
      try OpenCLIPFolder.write(
        OverlaidWeights(values, places, over: base), configuration, preprocessing, to: output)
    case .delta:
      try DeltaFile.write(
        values, tensors, description(in: base.layout), baseFingerprint: baseFingerprint,
        programVersion: programVersion, to: output)
    }
  }
}
