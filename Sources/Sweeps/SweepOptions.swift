import Configuration

/// When trials that do worse than others end before their last epoch.
public enum SweepStopping: Sendable, Equatable {
  /// Every trial runs to its end.
  case none
  /// Asynchronous successive halving: rungs are at `firstEpochs`, then `reduction` times as many epochs each; of the trials
  /// that have come to a rung the best one in `reduction` goes on.
  case halving(reduction: Int, firstEpochs: Int)
  /// From `firstEpochs` on, a trial ends whose best value is worse than the median of what others had after as many epochs;
  /// `leastTrials` others must have come so far.
  case median(firstEpochs: Int, leastTrials: Int)
}

/// How the trials of a sweep are run.
public struct SweepOptions: Sendable, Equatable {
  /// Ranks of the group that runs a trial.
  public var ranksPerTrial: Int
  /// How often a trial that failed is tried again.
  public var retries: Int
  /// When trials end early.
  public var stopping: SweepStopping
  /// Most trials that a sweep may have.
  public var maxTrials: Int

  /// What a sweep file says that says nothing.
  public init(
    ranksPerTrial: Int = 1, retries: Int = 1, stopping: SweepStopping = .none,
    maxTrials: Int = 500
  ) {
    self.ranksPerTrial = ranksPerTrial
    self.retries = retries
    self.stopping = stopping
    self.maxTrials = maxTrials
  }
}

extension SweepOptions {
  /// More trials than any sweep has.
  static let mostTrials = 100_000

  private enum Rule: String, CaseIterable { case none, halving, median }

  init(_ reader: SettingsReader) throws {
    let usual = SweepOptions()
    self.init(
      ranksPerTrial: try reader.integer(
        "ranks_per_trial", default: usual.ranksPerTrial, in: 1...1_000_000, "ranks of the group that runs a trial"),
      retries: try reader.integer(
        "retries", default: usual.retries, in: 0...100, "how often a trial that failed is tried again"),
      stopping: try reader.section("stopping", "when trials that do worse than others end early", Self.stopping),
      maxTrials: try reader.integer(
        "max_trials", default: usual.maxTrials, in: 1...Self.mostTrials,
        "most trials that the sweep may have: more are taken for a mistake"))
  }

  private static func stopping(_ reader: SettingsReader) throws -> SweepStopping {
    let rule = try reader.choice(
      "rule", default: Rule.none,
      "none; halving: asynchronous successive halving; median: what is worse than the median of the others")
    let first = try reader.integer(
      "first_epochs", default: 1, in: 1...100_000, "epochs after which a trial is looked at first")
    let reduction = try reader.integer(
      "reduction", default: 3, in: 2...100,
      "halving: one of so many trials goes on from a rung, to so many times the epochs")
    let least = try reader.integer(
      "least_trials", default: 3, in: 1...10_000, "median: other trials that a trial is compared with, at least")
    for (key, owner) in [("reduction", Rule.halving), ("least_trials", .median)] {
      try reader.require(
        rule == owner || !reader.isGiven(key), about: key, "is of stopping.rule \(owner.rawValue) only",
        remedy: "leave it out")
    }
    switch rule {
    case .none: return .none
    case .halving: return .halving(reduction: reduction, firstEpochs: first)
    case .median: return .median(firstEpochs: first, leastTrials: least)
    }
  }
}
