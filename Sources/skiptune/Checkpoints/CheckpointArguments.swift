import ArgumentParser
import CLIPModel
import Checkpoints
import Collectives
import Diagnostics
import Foundation
import TunedModels

/// Checkpoints as users name them.
enum CheckpointArgument {
  static let help: ArgumentHelp = ArgumentHelp(
    "Folder step-... of a checkpoint, a run directory (its newest whole one), or RUN/best.", valueName: "checkpoint")

  /// The checkpoint that a path means, verified; damaged ones that are passed over are named on standard error.
  ///
  /// Throws `Failure` where there is none.
  static func find(_ path: String) throws -> Checkpoint {
    try Checkpoint.find(URL(fileURLWithPath: path), LoopbackWorld.alone()) { damage in
      try? FileHandle.standardError.write(
        contentsOf: Data("skiptune: passing over a damaged checkpoint: \(damage)\n".utf8))
    }
  }

  /// The same of tuned weights, which may also be a delta file.
  static func tunedWeights(_ path: String) throws -> TunedWeights {
    var isFolder: ObjCBool = false
    if CheckpointPlace.pointer(URL(fileURLWithPath: path)) == nil,
      FileManager.default.fileExists(atPath: path, isDirectory: &isFolder), !isFolder.boolValue
    {
      return try TunedWeights(deltaFile: URL(fileURLWithPath: path))
    }
    return TunedWeights(try find(path))
  }

  /// The base model of a path or name, on the disk.
  static func base(_ model: String, _ details: ModelDetailOptions) throws -> BaseModel {
    try BaseModel(WeightsFile(details.source(model)))
  }
}

extension ExportFormat: ExpressibleByArgument {}

/// What a tuned model is written as.
struct ExportOptions: ParsableArguments {
  @Option(help: ArgumentHelp("The base model, that training began with, as model.path names it.", valueName: "model"))
  var model: String
  @OptionGroup var details: ModelDetailOptions
  @Option(name: .shortAndLong, help: ArgumentHelp("Folder or file to make.", valueName: "path"))
  var output: String
  @Option(
    help: """
      huggingface: a folder that Transformers and skiptune load; openai: a folder that open_clip loads; \
      delta: a file of the trained parameters only.
      """)
  var format = ExportFormat.huggingface

  /// Writes them and says so.
  func write(_ tuned: () throws -> TunedWeights) throws {
    try OutputPlace.judgeNew(output)
    let tuned = try tuned()
    let weights = try WeightsFile(details.source(model))
    try tuned.export(
      format, over: weights, base: BaseModel(weights), programVersion: Skiptune.version,
      to: URL(fileURLWithPath: output))
    print("wrote \(output) (\(format.rawValue)): \(tuned.description.source)")
  }
}
