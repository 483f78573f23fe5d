import Checkpoints
import Diagnostics
import Foundation

/// Models and data sets that are tested in one job, each model on each data set.
public struct EvaluationPlan: Sendable {
  let weights: [TestedWeights]
  let datasets: [RunSettings]
  let folder: URL?
  let predictions: URL?

  /// Each of `weights` is tested on the data set and task of each of `datasets`.
  ///
  /// What is finished is noted in `folder`, so that a job that was stopped goes on. Predictions of single images go to a
  /// file `predictions`. Throws `Failure(.usage)` where anything is named twice, or data sets are configured for different
  /// models. Traps where there is no weight or no data set.
  public init(_ weights: [TestedWeights], on datasets: [RunSettings], folder: URL?, predictions: URL?) throws {
    precondition(!weights.isEmpty && !datasets.isEmpty, "nothing is to be tested")
    (self.weights, self.datasets, self.folder, self.predictions) = (weights, datasets, folder, predictions)
    try Self.refuseTwice(weights.map(\.name), "--checkpoint")
    try Self.judge(datasets, "--datasets")
  }

  /// Throws `Failure(.usage)` where a data set is named twice, or configured for another model than the first.
  static func judge(_ datasets: [RunSettings], _ option: String) throws {
    try refuseTwice(try datasets.map { try $0.data.location().name }, option)
    for settings in datasets.dropFirst() where !settings.hasModel(of: datasets[0]) {
      throw Failure(
        .usage, at: "model.path",
        "the data sets of one evaluation must be configured for the same model, method and precision",
        remedy: "evaluate them in two jobs")
    }
  }

  private static func refuseTwice(_ names: [String], _ option: String) throws {
    var seen: Set<String> = []
    if let twice = names.first(where: { !seen.insert($0).inserted }) {
      throw Failure(.usage, at: option, "\(quoted(twice)) is named twice", remedy: "name it once")
    }
  }
}

extension RunSettings {
  fileprivate func hasModel(of other: RunSettings) -> Bool {
    model.path == other.model.path && method.kind == other.method.kind
      && model.options.tokenizer == other.model.options.tokenizer
      && model.options.activation == other.model.options.activation && compute.precision == other.compute.precision
  }
}

extension TestedWeights {
  /// What a command line means: `zero-shot`, a delta file, or the folder of a checkpoint or run.
  public init(argument: String) {
    var isFolder: ObjCBool = false
    if argument == "zero-shot" {
      self = .zeroShot
    } else if CheckpointPlace.pointer(URL(fileURLWithPath: argument)) == nil,
      FileManager.default.fileExists(atPath: argument, isDirectory: &isFolder), !isFolder.boolValue
    {
      self = .delta(path: argument)
    } else {
      self = .checkpoint(path: argument)
    }
  }

  /// What results call them.
  var name: String {
    switch self {
    case .zeroShot: "zero-shot"
    case .delta(let path), .checkpoint(let path): path
    }
  }
}
