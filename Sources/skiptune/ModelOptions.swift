import ArgumentParser
import CLIPModel
import Foundation
import TunedModels

/// Which model a command computes with.
struct ModelOptions: ParsableArguments {
  @Option(help: ArgumentHelp("Hugging Face CLIP folder.", valueName: "folder"))
  var model: String
  @Option(
    help: ArgumentHelp(
      "Delta file that is laid over the model; `skiptune checkpoint export --format delta` makes one.",
      valueName: "file"))
  var delta: String?

  /// The model's folder, which also holds tokenizer and preprocessing.
  var folder: URL { URL(fileURLWithPath: model) }

  /// The delta file, judged by its header.
  ///
  /// Throws `Failure` for what is wrong with it.
  func tunedWeights() throws -> TunedWeights? {
    try delta.map { try TunedWeights(deltaFile: URL(fileURLWithPath: $0)) }
  }

  /// The model with the delta laid over it.
  ///
  /// Throws `Failure` for what is wrong with them or does not fit together.
  func load() throws -> CLIP { try CLIP(huggingFaceFolder: folder, delta: tunedWeights()) }
}
