import Diagnostics
import Foundation
import Reporting
import RunRecords
import Sweeps

/// What each trial of a sweep is at, as the files in its folder tell, also while jobs on other hosts are at work.
public struct SweepStatus {
  /// What a trial is at.
  enum State: String {
    case waiting, running, interrupted, finished, failed, stopped
  }

  private struct Row {
    let trial: Trial
    var state: State
    var holder: String?
    var outcome: TrialOutcome?
    var progress: TrialProgress?
    var epochs: Int?
    var note: String?
  }

  private let metric: SweepMetric
  private let rows: [Row]

  /// Reads the folder of a sweep.
  ///
  /// Throws `Failure` for files that are damaged.
  public init(_ folder: URL, _ trials: [Trial], _ metric: SweepMetric) throws {
    self.metric = metric
    let shared = SweepFolder(folder)
    let claims = ClaimFolder(reading: folder)
    let numbers = try claims.numbers()
    let outcomes = Dictionary(uniqueKeysWithValues: try shared.outcomes(of: trials).map { ($0.trial.name, $0) })
    rows = trials.map { trial in
      let claim = claims.standing(trial.name, number: numbers[trial.name] ?? 0).claim
      return Self.row(trial, shared.run(of: trial), outcomes[trial.name], claim, Heartbeats(reading: folder))
    }
  }

  private static func row(
    _ trial: Trial, _ run: URL, _ outcome: TrialOutcome?, _ claim: TrialClaim?, _ heartbeats: Heartbeats
  ) -> Row {
    var row = Row(trial: trial, state: .waiting, outcome: outcome)
    if let outcome { row.state = State(outcome.state) }
    if outcome?.state != .finished {
      row.progress = TrialProgress(run: run)
      row.epochs = (try? RunRecord(contentsOf: run.path))?.setting("optim.epochs").flatMap { Int($0) }
    }
    guard let claim else { return row }
    if claim.end == .interrupted, outcome == nil { row.state = .interrupted }
    guard claim.end == nil else { return row }
    row.holder = claim.process.words
    if claim.process.isRunning == false {
      row.state = .interrupted
      row.note = "its process has ended"
    } else {
      row.state = .running
      // The clocks of the hosts may differ a little; this is for the eye alone.
      let age = claim.process.isRunning == true ? 0 : heartbeats.age(of: claim.holder) ?? 0
      if age > claim.lease { row.note = "no sign of life for \(Readable.seconds(age))" }
    }
    return row
  }

  /// A table of all trials, and how many there are of each kind.
  public var text: String {
    var table = TextTable(columns: ["trial", "state", "by", "epoch", "step", metric.key, "left", "settings", "note"])
    for row in rows { table.append(cells(row)) }
    let counts = [State.finished, .stopped, .failed, .running, .interrupted, .waiting]
      .map { state in (state, rows.count { $0.state == state }) }.filter { $0.1 > 0 }
      .map { "\($1) \($0.rawValue)" }
    return table.terminal + "\n\(rows.count) trials: \(counts.joined(separator: ", "))\n"
  }

  private func cells(_ row: Row) -> [String?] {
    let (outcome, progress) = (row.outcome, row.progress)
    let epochs = [progress?.epoch ?? outcome?.epochs, row.epochs].compactMap { $0.map(String.init) }
    let value =
      outcome.flatMap(metric.value(of:))
      ?? (metric.name == .harmonicMean
        ? progress?.harmonicMean : metric.name == .loss ? progress?.loss : progress?.accuracy)
    let left = row.state == .running ? progress?.secondsLeft(of: row.epochs) : nil
    return [
      row.trial.name, row.state.rawValue, row.holder, epochs.joined(separator: "/"),
      (progress?.step ?? outcome?.steps).map(String.init), value.map { Readable.fixed($0, 2) },
      left.map { Readable.seconds($0) },
      row.trial.settings.map { "\($0.key)=\($0.value)" }.joined(separator: " "),
      [outcome?.problem, row.note].compactMap { $0 }.joined(separator: "; "),
    ]
  }
}

extension SweepStatus.State {
  init(_ state: TrialOutcome.State) {
    switch state {
    case .finished: self = .finished
    case .failed: self = .failed
    case .stopped: self = .stopped
    }
  }
}
