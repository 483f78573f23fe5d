import Configuration
import Diagnostics
import Foundation
import Training

/// The trials of a sweep, each with settings that were judged.
public struct SweepPlan: Sendable {
  /// A named part of a sweep: what is varied together, and looked at together.
  public struct Part: Sendable, Equatable {
    /// A set of settings, and the trial that is run for it: an earlier one, where that has the same configuration.
    public struct Point: Sendable, Equatable {
      /// In the order of the sweep file.
      public let settings: [Setting]
      /// The trial's number.
      public let trial: Int
    }

    /// Empty for the only part of a sweep that names none.
    public let name: String
    /// In the order of the sweep file.
    public let points: [Point]
  }

  /// What all runs lie in.
  public let folder: URL
  /// In the order of the sweep file; numbers count from 1.
  public let trials: [Trial]
  /// In the order of the sweep file.
  public let parts: [Part]
  /// What trials are compared by.
  public let metric: SweepMetric
  /// How trials are run.
  public let options: SweepOptions
  /// Combinations that constraints left out.
  public let excludedCount: Int
  /// Combinations with the configuration of an earlier one.
  public let duplicateCount: Int
  /// The sweep file, the configuration files and the options, as they were named.
  let sources: [String]
  private let shared: PlannedConfiguration

  /// Reads a sweep file over configuration files and `key.path=value` options, and judges the whole configuration of every
  /// trial.
  ///
  /// Throws `Failure`, of `.usage` with file and line for what is wrong with the sweep. Looks at no data and no model.
  public init(_ sweep: URL, files: [URL], overrides: [String], folder: URL) throws {
    let file = try SweepFile(contentsOf: sweep)
    // The untuned model is the same in all trials, and so are the features of the blocks before all start layers; who wants
    // something else says so.
    let common = ["evaluate.zero_shot=false", "features.cache=\(SweepFolder(folder).cache.path)"]
    let shared = PlannedConfiguration(
      files: file.base + files, overrides: common + overrides, place: "\(sweep.relativePath): data_sets")
    try Self.judge(overrides: overrides, file)
    var expansion = try SweepExpansion(shared, folder: SweepFolder(folder), limit: file.options.maxTrials, file.parts)
    parts = try expansion.expand(file.parts)
    guard !expansion.trials.isEmpty else {
      throw Failure(
        .usage, at: sweep.relativePath,
        "constraints leave nothing of \(expansion.excludedCount) combinations", remedy: "loosen one of them")
    }
    (trials, self.folder, self.shared) = (expansion.trials, folder, shared)
    (excludedCount, duplicateCount) = (expansion.excludedCount, expansion.duplicateCount)
    sources = ([sweep] + file.base + files).map(\.relativePath) + overrides.map { "--set \($0)" }
    (metric, options) = (try SweepMetric(file.metric, facts: expansion.facts), file.options)
  }

  /// The whole configuration of a trial whose run directory is `folder`.
  ///
  /// Throws `Failure(.usage)` where files have changed since the plan was made.
  public func configuration(of trial: Trial, in folder: URL) throws -> (RunSettings, ResolvedConfiguration) {
    try shared.read(trial.settings, in: folder)
  }

  /// Throws where an option is of no use, as trials lay their own settings over it.
  private static func judge(overrides: [String], _ file: SweepFile) throws {
    let varied = Set(file.parts.flatMap { $0.dimensions.flatMap { $0.places.keys } })
    for key in overrides.map({ String($0.prefix { $0 != "=" }) }) {
      guard !varied.contains(key) else {
        throw Failure(
          .usage, at: "--set", "\(key) is varied by the sweep file, which would override the option",
          remedy: "leave the option out, or take the setting out of the sweep file")
      }
      guard key != "run_dir" else {
        throw Failure(.usage, at: "--set", "each trial has a run directory of its own", remedy: "give --run-dir alone")
      }
    }
  }
}

extension PlannedConfiguration {
  /// With a trial's settings over all others.
  func read(_ settings: [Setting], in folder: URL) throws -> (settings: RunSettings, resolved: ResolvedConfiguration) {
    let others = settings.filter { $0.key != SweepAxis.dataKey }.map { "\($0.key)=\($0.value)" }
    return try read(settings.first { $0.key == SweepAxis.dataKey }?.value, in: folder, others)
  }
}
