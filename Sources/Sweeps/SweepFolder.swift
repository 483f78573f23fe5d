import Diagnostics
import Files
import Foundation

/// Where the files of a sweep are.
public struct SweepFolder: Sendable, Equatable {
  /// The folder that holds them all.
  public let url: URL

  /// A folder that need not be there.
  public init(_ url: URL) { self.url = url }

  /// The run directory of a trial.
  public func run(of trial: Trial) -> URL { url.appending(path: "trials").appending(path: trial.name) }

  /// What came of a trial.
  public func outcome(of trial: Trial) -> URL { outcomes.appending(path: "\(trial.name).json") }

  /// Features that all trials share.
  var cache: URL { url.appending(path: "cache") }
  var outcomes: URL { url.appending(path: "outcomes") }
  /// What the sweep is: trials, metric, parts.
  var record: URL { url.appending(path: "sweep.json") }

  /// Reads what is there of some trials' outcomes, in their order.
  ///
  /// Throws `Failure(.badData)` for a file that is damaged or of another trial.
  public func outcomes(of trials: [Trial]) throws -> [TrialOutcome] {
    try trials.compactMap { trial in
      let file = outcome(of: trial)
      guard FileManager.default.fileExists(atPath: file.path) else { return nil }
      let outcome = try TrialOutcome(contentsOf: file)
      guard outcome.trial == trial else {
        throw Failure(
          .badData, at: file.path, "is the outcome of another trial, \(quoted(outcome.trial.name))",
          remedy: "restore it, or delete it to run the trial again")
      }
      return outcome
    }
  }

  /// Writes a trial's outcome: whole or not at all; replaces the one before.
  public func write(_ outcome: TrialOutcome) throws {
    do {
      try FileManager.default.createDirectory(at: outcomes, withIntermediateDirectories: true)
    } catch {
      throw Failure(.cannotCreate, at: outcomes.path, "the folder cannot be created", remedy: "give another --run-dir")
    }
    try AtomicFile.write(outcome.json, to: self.outcome(of: outcome.trial))
  }
}
