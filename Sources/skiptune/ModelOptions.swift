import ArgumentParser
import CLIPModel
import Foundation
import Kernels
import Reporting
import TunedModels

/// Which model a command computes with.
struct ModelOptions: ParsableArguments {
  @OptionGroup var base: BaseModelOptions
  @Option(
    help: ArgumentHelp(
      "Delta file that is laid over the model; `skiptune checkpoint export --format delta` makes one.",
      valueName: "file"))
  var delta: String?

  /// As the user wrote it.
  var model: String { base.model }

  /// The delta file, judged by its header.
  ///
  /// Throws `Failure` for what is wrong with it.
  func tunedWeights() throws -> TunedWeights? {
    try delta.map { try TunedWeights(deltaFile: URL(fileURLWithPath: $0)) }
  }

  /// The model with the delta laid over it, and where it comes from; what was assumed goes to the log.
  ///
  /// Throws `Failure` for what is wrong with them or does not fit together.
  func load(_ delta: TunedWeights?, _ log: Log) throws -> (model: CLIP, source: ModelSource) {
    let weights = try WeightsFile(base.source())
    for note in try weights.allNotes() { log.info("\(note)") }
    return (try CLIP(weights, delta: delta), weights.source)
  }
}

/// Which pretrained model is meant.
struct BaseModelOptions: ParsableArguments {
  @Option(help: BaseModelOptions.help)
  var model: String
  @OptionGroup var details: ModelDetailOptions

  static let help = ArgumentHelp(
    "CLIP: a Hugging Face or open_clip folder, a .pt file of OpenAI's, or the name of a cached one (ViT-B/16).",
    valueName: "model")

  /// Finds it; throws `Failure` where there is none.
  func source() throws -> ModelSource { try details.source(model) }
}

/// What the files of a model may leave open.
struct ModelDetailOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp("Folder or file of the tokenizer, if not beside the weights.", valueName: "path"))
  var tokenizer: String?
  @Option(help: "What the MLPs compute with, for weights that do not tell: quick_gelu or gelu.")
  var activation: Activation?

  /// Finds the model of a path or name; throws `Failure` where there is none.
  func source(_ model: String) throws -> ModelSource {
    try ModelSource(
      model,
      options: ModelSource.Options(tokenizer: tokenizer.map { URL(fileURLWithPath: $0) }, activation: activation))
  }
}

extension Activation: ExpressibleByArgument {}
