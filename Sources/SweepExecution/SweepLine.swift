import Foundation
import Reporting
import Sweeps
import Synchronization

/// What is said of a sweep while it runs: a line for each trial that ends, and how many there are, the best, the time left.
///
/// Safe to call from any thread.
final class SweepLine: Sendable {
  private struct State {
    var shelf: OutcomeShelf
    var said: [String: TrialOutcome] = [:]
    var next = ContinuousClock.now
  }

  /// Between two looks at the folder.
  private static let interval = Duration.seconds(1)
  private let plan: SweepPlan
  private let console: ConsoleOutput
  private let progress: ProgressLine
  private let state: Mutex<State>

  /// Begins with the outcomes that are there, of which nothing is said.
  init(_ plan: SweepPlan, _ console: ConsoleOutput) throws {
    (self.plan, self.console) = (plan, console)
    var state = State(shelf: OutcomeShelf(SweepFolder(plan.folder)))
    try state.shelf.look(plan.trials)
    for trial in plan.trials { state.said[trial.name] = state.shelf[trial] }
    progress = ProgressLine(
      "sweep", unit: "trial", total: plan.trials.count, startingAt: state.said.count, output: console)
    self.state = Mutex(state)
  }

  /// Looks at what has come since, now and then.
  func look(isLast: Bool = false) {
    state.withLock { state in
      guard isLast || ContinuousClock.now >= state.next else { return }
      state.next = .now + Self.interval
      // What cannot be read now is said by those who work, or read at the next look.
      guard (try? state.shelf.look(plan.trials)) != nil else { return }
      for trial in plan.trials {
        guard let outcome = state.shelf[trial], outcome != state.said[trial.name] else { continue }
        state.said[trial.name] = outcome
        let isBest = best(state) == outcome ? ", the best so far" : ""
        console.write(line: "\(state.said.count) of \(plan.trials.count) trials: \(words(outcome))\(isBest)")
      }
      if isLast { console.setStatus("") } else { progress.update(completed: state.said.count, note: note(state)) }
    }
  }

  private func words(_ outcome: TrialOutcome) -> String {
    let settings = outcome.trial.settings.map { "\($0.key)=\($0.value)" }.joined(separator: ", ")
    let value = plan.metric.value(of: outcome).map { ", \(plan.metric.key) \(Readable.fixed($0, 2))" } ?? ""
    let problem = outcome.problem.map { ": \($0)" } ?? value
    return "\(outcome.trial.name) \(outcome.state.rawValue) (\(settings))\(problem)"
  }

  private func best(_ state: State) -> TrialOutcome? {
    // Of equal ones the first in the sweep's order.
    plan.trials.compactMap { state.said[$0.name] }.filter { $0.state == .finished }
      .compactMap { outcome in plan.metric.value(of: outcome).map { (outcome, $0) } }
      .min { plan.metric.isBetter($0.1, than: $1.1) }?.0
  }

  private func note(_ state: State) -> String {
    guard let best = best(state), let value = plan.metric.value(of: best) else { return "" }
    return "best \(best.trial.name) with \(plan.metric.key) \(Readable.fixed(value, 2))"
  }
}
