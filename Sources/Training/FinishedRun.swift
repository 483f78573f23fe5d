import CLIPModel
import Checkpoints
import Configuration
import Datasets
import Diagnostics
import Foundation
import Reporting
import TunedModels

/// A run directory that may hold a finished run, which a protocol need not make again.
package enum FinishedRun {
  /// Whether the run in the folder is finished and was made with these settings.
  ///
  /// Places and what is saved may differ, as for a run that goes on from a checkpoint. Throws `Failure(.usage)`
  /// where the run is finished and was made with others.
  package static func matches(_ folder: URL, _ resolved: ResolvedConfiguration) throws -> Bool {
    guard RunDirectory.isCompleted(folder) else { return false }
    let former = try RunSettings.read(
      ConfigurationSource(files: [folder.appendingPathComponent("config.resolved.yaml")]))
    var differences = RunIdentity(resolved, []).differences(from: RunIdentity(former.resolved, []).json)
    // A run may go on with another limit, but one that has ended at a limit is another result.
    for key in ["limits.max_steps", "limits.patience", "evaluate.tuned", "evaluate.split"] {
      let values = [former.resolved, resolved].map { $0.settings.first { $0.key == key }?.value.yaml ?? "" }
      if values[0] != values[1] { differences.append(RunDifference(key: key, former: values[0], current: values[1])) }
    }
    guard differences.isEmpty else {
      let words = differences.prefix(3).map(\.description).joined(separator: ", ")
      throw Failure(
        .usage, at: folder.path, "the finished run was made with other settings: \(words)",
        remedy: "set them as before, give another --run-dir, or move the folder away")
    }
    return true
  }
}

extension RunSettings {
  /// The folder of the run's results.
  package var folder: URL { runDirectory }

  /// Whether checkpoints are saved, with which others can test the tuned weights.
  package var savesCheckpoints: Bool { checkpoint.isEnabled }

  /// Ranks that evaluate beside those that train.
  package var evaluatingRanks: Int { evaluation.ranks }

  /// Epochs of training.
  package var epochs: Int { optimizer.epochs }

  /// The word of `method.kind`.
  package var methodName: String { method.kind.rawValue }

  /// Whether the method trains anything.
  package var trains: Bool { method.kind != .zeroShot }

  /// Whether a tuned model can tell classes apart that it was not trained on.
  package var tellsNewClasses: Bool { method.kind != .linearProbe }

  /// What results name as the template of prompts, given that of the data set.
  package func templateWords(_ template: PromptTemplate) -> String {
    evaluation.templates.isEmpty ? "\(template)" : evaluation.templates.joined(separator: " | ")
  }

  /// Whether the untuned model is tested.
  package var testsZeroShot: Bool { evaluation.zeroShot }

  /// Whether the tuned model is tested.
  package var testsTuned: Bool { evaluation.tuned }

  /// The fingerprint of the model's weights, as in results and checkpoints; reads the model.
  package func weightsFingerprint() throws -> String {
    "\(BaseFingerprint.of(try CLIP(model.source())))"
  }

  /// Where the data set is, and its prompt.
  ///
  /// Throws `Failure(.usage)` for a data set that nothing is known of; does not look at the disk.
  package func location() throws -> DatasetLocation { try data.location() }
}
