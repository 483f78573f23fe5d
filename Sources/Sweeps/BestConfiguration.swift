import Configuration
import Diagnostics
import Foundation
import Training

/// The best configuration of a sweep so far.
public struct BestConfiguration: Sendable {
  /// What it is and how good it is, a line each.
  public let lines: [String]
  /// A configuration file for `skiptune train`, with a run directory of its own beside the trials.
  public let yaml: String

  /// Takes the first row of the leaderboard, and of its finished trials the first.
  ///
  /// Throws `Failure(.missingInput)` where no trial has a value yet or the trial's run directory is gone.
  public init(_ results: SweepResults, in folder: SweepFolder) throws {
    guard let row = results.rows.first, let statistics = row.statistics, let trial = row.finished.first?.trial else {
      throw Failure(
        .missingInput, at: folder.url.path,
        "no trial has \(results.record.metric.words) yet: \(results.outcomes.count) of \(results.record.trials.count) have ended",
        remedy: "wait for one, or go on with skiptune sweep run")
    }
    let spread = statistics.deviation.map { " ± \(results.words($0))" } ?? ""
    let seeds = row.finished.compactMap { $0.trial.value(of: SweepResults.seedKey) }
    lines = [
      "\(results.record.metric.words): \(results.words(statistics.mean))\(spread)"
        + (seeds.isEmpty ? "" : " over seeds \(seeds.joined(separator: ", "))")
        + (row.isComplete ? "" : ", of \(row.trials.count) that it is to have"),
      results.keys.isEmpty
        ? "nothing but the seed was varied" : row.settings.filter { results.keys.contains($0.key) }.words,
    ]
    let source = folder.run(of: trial).appending(path: "config.resolved.yaml")
    guard FileManager.default.fileExists(atPath: source.path) else {
      throw Failure(
        .missingInput, at: source.path, "the configuration of the best trial is gone",
        remedy: "restore the trial's folder")
    }
    let place = folder.url.appending(path: "best").path.replacing("'", with: "''")
    let resolved = try RunSettings.read(ConfigurationSource(files: [source], overrides: ["run_dir='\(place)'"]))
      .resolved
    yaml =
      ((["The best of \(results.outcomes.count) trials, as trial \(trial.name) ran it."] + lines).map { "# \($0)\n" })
      .joined() + resolved.yaml()
  }
}
