import Diagnostics
import Foundation
import Planning
import Reporting
import Training

/// What each trial of a plan would take, by counting: no image and no value of any weights is read.
public struct SweepEstimates: Sendable {
  /// What one trial would take.
  public struct Estimate: Sendable {
    /// Which trial.
    public let trial: Trial
    /// Steps of training.
    public let steps: Int
    /// Of training and tests; nil where the method's work is not counted.
    public let seconds: Double?
    /// Of the rank that has most; nil where the method's memory is not counted.
    public let memoryBytes: Int?
    /// That each rank sends; nil where the method's traffic is not counted.
    public let sentBytes: Double?
  }

  /// In the plan's order.
  public let estimates: [Estimate]
  private let plan: SweepPlan

  /// Estimates the trials, each by as many ranks of one host as the plan says, and judges what settings alone do not show:
  /// whether data set, model, method and ranks go together.
  ///
  /// Throws `Failure` that names the first trial which cannot be run.
  public init(_ plan: SweepPlan, on machine: MachineProfile) throws {
    self.plan = plan
    let folder = SweepFolder(plan.folder)
    var forecasts = RunForecasts(on: machine, ranks: plan.options.ranksPerTrial)
    estimates = try plan.trials.map { trial in
      let (settings, resolved) = try plan.configuration(of: trial, in: folder.run(of: trial))
      do {
        let forecast = try forecasts.forecast(settings, resolved)
        return Estimate(
          trial: trial, steps: forecast.steps, seconds: forecast.trainingSeconds.map { $0 + forecast.testSeconds },
          memoryBytes: forecast.memoryBytes, sentBytes: forecast.sentBytes)
      } catch var failure as Failure {
        failure.problem += " (trial \(trial.number): \(trial.settings.words))"
        throw failure
      }
    }
  }

  /// The order that trials are run in, so that the last ones to end are short; what is not known may be long.
  public var dearestFirst: [Estimate] {
    estimates.sorted { left, right in
      (right.seconds ?? .infinity, left.trial.number) < (left.seconds ?? .infinity, right.trial.number)
    }
  }

  /// The trials, dearest first, with the settings that they differ in.
  public var table: TextTable {
    let keys = plan.trials.variedKeys
    var table = TextTable(columns: ["trial"] + keys.titles + ["steps", "time", "memory/rank", "sent/rank"])
    for estimate in dearestFirst {
      table.append(
        [estimate.trial.name] + keys.map { estimate.trial.value(of: $0) } + [
          Readable.count(estimate.steps), estimate.seconds.map(Readable.seconds),
          estimate.memoryBytes.map(Readable.bytes), estimate.sentBytes.map { Readable.bytes(Int(min($0, 1e18))) },
        ])
    }
    return table
  }

  /// What the sweep is and takes, a line each.
  public var lines: [String] {
    let ranks = plan.options.ranksPerTrial
    let seconds = estimates.compactMap(\.seconds)
    let bytes = estimates.compactMap(\.sentBytes).reduce(0, +)
    let left = [
      plan.excludedCount > 0 ? "\(Readable.count(plan.excludedCount)) combinations are left out by constraints" : nil,
      plan.duplicateCount > 0
        ? "\(Readable.count(plan.duplicateCount)) have the configuration of a trial that is there already" : nil,
    ].compactMap { $0 }
    return [
      ([Readable.counted(estimates.count, "trial")] + left).joined(separator: "; "),
      "compared by \(plan.metric.words), \(plan.metric.isHigherBetter ? "more" : "less") is better",
      "one after the other, \(Readable.counted(ranks, "rank")) each: \(Readable.seconds(seconds.reduce(0, +)))"
        + (seconds.count < estimates.count ? ", and \(estimates.count - seconds.count) whose work is not counted" : "")
        + ", \(Readable.bytes(Int(min(bytes * Double(ranks), 1e18)))) sent, at most "
        + "\(Readable.bytes(estimates.compactMap(\.memoryBytes).max() ?? 0)) of memory for a rank",
    ]
  }
}

extension [Setting] {
  /// `key=value` for each.
  var words: String { map { "\($0.key)=\($0.value)" }.joined(separator: " ") }
}

extension [String] {
  /// Setting keys as columns of a table: their last words, where these are different.
  var titles: [String] {
    func last(_ key: String) -> String { key.split(separator: ".").last.map(String.init) ?? key }
    return map { key in filter { last($0) == last(key) }.count == 1 ? last(key) : key }
  }
}

extension [Trial] {
  /// Keys that have several values, or that only some trials have, in the order of the sweep file; the seed comes last.
  var variedKeys: [String] {
    let keys = flatMap { $0.settings.map(\.key) }.distinct().filter { key in Set(map { $0.value(of: key) }).count > 1 }
    return keys.filter { $0 != SweepResults.seedKey } + keys.filter { $0 == SweepResults.seedKey }
  }
}
