import Diagnostics
import Foundation
import Reporting
import Sweeps

/// What there is of a sweep when a job has nothing more to do for it.
public struct SweepSummary: Sendable {
  /// Of trials that have one, in their order.
  let outcomes: [TrialOutcome]
  private let plan: SweepPlan
  private let statuses: [String: ExitStatus]

  /// Reads the folder.
  init(_ plan: SweepPlan) throws {
    self.plan = plan
    outcomes = try SweepFolder(plan.folder).outcomes(of: plan.trials)
    var statuses: [String: ExitStatus] = [:]
    for event in try SweepJournal.events(of: plan.folder) where event.event == .failed {
      statuses[event.trial] = event.status.flatMap(ExitStatus.init(rawValue:))
    }
    self.statuses = statuses
  }

  /// Trials that other jobs are at work on.
  private var unfinishedCount: Int { plan.trials.count - outcomes.count }

  /// In words: `10 of 12 trials are finished, 1 was stopped early, 1 failed`.
  private var words: String {
    func count(_ state: TrialOutcome.State) -> Int { outcomes.count { $0.state == state } }
    func were(_ count: Int) -> String { count == 1 ? "1 was" : "\(count) were" }
    var parts = ["\(count(.finished)) of \(plan.trials.count) trials are finished"]
    if count(.stopped) > 0 { parts.append("\(were(count(.stopped))) stopped early") }
    if count(.failed) > 0 { parts.append("\(count(.failed)) failed") }
    if unfinishedCount > 0 { parts.append("\(unfinishedCount) are run by other jobs") }
    return parts.joined(separator: ", ")
  }

  /// A table of the trials, and the words.
  public var text: String {
    var table = TextTable(columns: ["trial", "state", plan.metric.key, "epochs", "seconds", "attempts", "settings"])
    for outcome in outcomes {
      table.append([
        outcome.trial.name, outcome.state.rawValue, plan.metric.value(of: outcome).map { Readable.fixed($0, 2) },
        String(outcome.epochs), outcome.seconds.map { Readable.fixed($0, 1) }, String(outcome.attempts),
        outcome.trial.settings.map { "\($0.key)=\($0.value)" }.joined(separator: " "),
      ])
    }
    return table.terminal + "\n\(words)\n"
  }

  /// What to end with where trials failed: the first one's status, and a word on each.
  public var failure: Failure? {
    let failed = outcomes.filter { $0.state == .failed }
    guard let first = failed.first else { return nil }
    let others = failed.dropFirst().map { "; also \($0.trial.name)" }.joined()
    return Failure(
      statuses[first.trial.name] ?? .badData,
      "\(failed.count) of \(plan.trials.count) trials failed: \(first.trial.name): \(first.problem ?? "")\(others)",
      remedy: "make it good, and start the same command again with --retry-failed: finished trials stay")
  }
}
