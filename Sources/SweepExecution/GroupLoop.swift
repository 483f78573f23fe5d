import Collectives
import Diagnostics
import Foundation
import Kernels
import Reporting
import RunRecords
import StrictJSON
import Sweeps
import Training

/// A group of ranks at work: one trial after the other, until there is nothing left for it.
struct GroupLoop<Product: MatrixProduct> {
  /// Between two looks for a trial, where there was none.
  private static var pause: Duration { .milliseconds(500) }

  private let plan: SweepPlan
  private let group: any MessagePassing
  /// On the first rank.
  private let ledger: TrialLedger?
  private let runner: TrialRunner<Product>
  private let pulse: GroupPulse?
  /// On rank 0 of the job.
  private let line: SweepLine?

  init(
    _ plan: SweepPlan, _ group: any MessagePassing, _ ledger: TrialLedger?,
    _ makeRun:
      @escaping (any MessagePassing, ConsoleOutput, Log, LogDestination, Precision) throws ->
      TrainingRun<
        Product
      >.Environment, lease: Double, _ line: SweepLine?
  ) {
    (self.plan, self.group, self.ledger, self.line) = (plan, group, ledger, line)
    let book = ledger.map { RungBook(plan.folder, $0.journal, plan.metric, plan.options.stopping) }
    runner = TrialRunner(plan: plan, group: group, makeRun: makeRun) { outcome in
      guard let book, let ledger else { return true }
      return try book.goesOn(outcome, isRevived: ledger.isRevived(outcome.trial))
    }
    pulse = ledger.map { ledger in
      GroupPulse(ledger.heartbeats, holder: ledger.holder, job: ledger.job, lease: lease) { line?.look() }
    }
  }

  /// Works; returns what the sweep is to end with where a rank of the group was asked to stop.
  ///
  /// Collective: all ranks of the group call this.
  func run() throws -> Failure? {
    defer {
      pulse?.end()
      line?.look(isLast: true)
    }
    while true {
      group.activity = { "waiting for a trial" }
      guard try group.allReduce(StopSignal.isRequested ? 1 : 0 as Int64, .max) == 0 else {
        try group.agree { try ledger?.interrupt() }
        return stopped(nil)
      }
      switch try choose() {
      case .trial(let trial):
        if let failure = try run(trial) { return stopped(failure) }
      case .wait: pause()
      case .leave: return nil
      }
    }
  }

  private enum Choice {
    case trial(Trial)
    case wait, leave
  }

  /// The first rank's choice, on all ranks.
  private func choose() throws -> Choice {
    let own: Int64 = try group.agree {
      switch try ledger?.choose() {
      case .run(let trial): Int64(plan.trials.firstIndex(of: trial)!)
      case .wait: -1
      case .leave, nil: -2
      }
    }
    switch try group.allReduce(own, .max) {
    case -1: return .wait
    case -2: return .leave
    case let index: return .trial(plan.trials[Int(index)])
    }
  }

  /// On the first rank, for which the others wait in the next exchange.
  private func pause() {
    let end = ContinuousClock.now + Self.pause
    while ledger != nil, !StopSignal.isRequested, ContinuousClock.now < end { usleep(20_000) }
  }

  /// Runs a trial and records what came of it; the failure that ends the sweep for now, if there is one.
  private func run(_ trial: Trial) throws -> Failure? {
    let end = try runner.run(trial)
    try group.agree {
      guard let ledger else { return }
      let attempts = ledger.failures(of: trial) + 1
      switch end {
      case .finished:
        _ = try ledger.settle(finished(trial, attempts: attempts))
      case .stopped:
        var outcome = runner.stop.outcome!
        outcome.attempts = attempts
        _ = try ledger.settle(outcome)
      case .failed(let failure):
        let outcome = TrialOutcome(
          trial, .failed, attempts: attempts, ranks: group.worldSize, problem: failure.description)
        _ = try ledger.settle(outcome, status: failure.status)
      case .interrupted: try ledger.interrupt()
      }
    }
    guard case .interrupted(let failure) = end else { return nil }
    return failure
  }

  /// The outcome of a run that is finished, with the time of all its starts: results tell that of the last one.
  private func finished(_ trial: Trial, attempts: Int) throws -> TrialOutcome {
    let folder = SweepFolder(plan.folder).run(of: trial)
    var outcome = try TrialOutcome(trial, finishedIn: folder, attempts: attempts)
    let record = try RunRecord(contentsOf: folder.path)
    let all = record.steps.reduce(0) { $0 + $1.seconds }
    if let last = record.results?["training"]?["step_seconds"]?.number, let seconds = outcome.seconds, all > last {
      outcome.seconds = seconds - last + all
    }
    return outcome
  }

  /// Has all groups of the job stop, and says what it ends with.
  private func stopped(_ failure: Failure?) -> Failure {
    if let ledger { ledger.heartbeats.requestStop(of: ledger.job) }
    var failure = failure ?? StopSignal.failure
    failure.problem = "stopped by a signal; the state of the trials under way is saved"
    failure.remedy = "start the same command again to go on"
    return failure
  }
}
