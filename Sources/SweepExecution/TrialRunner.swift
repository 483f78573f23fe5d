import Collectives
import Configuration
import Diagnostics
import Foundation
import Kernels
import Reporting
import Sweeps
import Training

/// Runs trials on a group of ranks, each in its run directory.
struct TrialRunner<Product: MatrixProduct> {
  /// What came of a trial on all ranks of the group.
  enum End {
    /// Its results are there.
    case finished
    /// It was stopped at a rung.
    case stopped
    case failed(Failure)
    /// The group was asked to stop, and the trial's state is saved.
    case interrupted(Failure)
  }

  let plan: SweepPlan
  let group: any MessagePassing
  let makeRun:
    (any MessagePassing, ConsoleOutput, Log, LogDestination, Precision) throws -> TrainingRun<Product>.Environment
  /// On the first rank of the group: whether a trial goes on from a rung.
  let judge: (TrialOutcome) throws -> Bool
  /// On the first rank: where a trial was stopped.
  let stop = StopPlace()

  final class StopPlace {
    var outcome: TrialOutcome?
  }

  /// Runs a trial, or goes on with it.
  ///
  /// Throws only what ends the whole sweep: ranks that may be out of step. Collective: all ranks of the group call this.
  func run(_ trial: Trial) throws -> End {
    stop.outcome = nil
    do {
      try train(trial)
      return .finished
    } catch let failure as Failure {
      switch failure.status {
      case .internalError: throw failure
      case .requeue:
        let isStopped = try group.allReduce(stop.outcome == nil ? 0 : 1 as Int64, .max) == 1
        return isStopped ? .stopped : .interrupted(failure)
      default: return .failed(failure)
      }
    }
  }

  private func train(_ trial: Trial) throws {
    let folder = SweepFolder(plan.folder).run(of: trial)
    let (settings, resolved) = try group.agree {
      let (settings, resolved) = try plan.configuration(of: trial, in: folder)
      guard settings.evaluatingRanks == 0 else {
        throw Failure(
          .usage, at: "evaluate.ranks", "the trials of a sweep have no ranks beside them that evaluate",
          remedy: "use evaluate.every_epochs")
      }
      return (settings, resolved)
    }
    // A job may have been killed between the end of the run and that of the trial.
    let isFinished = try group.agree { group.rank == 0 ? try FinishedRun.matches(folder, resolved) : false }
    guard try group.allReduce(isFinished ? 1 : 0 as Int64, .max) == 0 else { return }
    // What a trial says is in its log; the sweep speaks of all of them.
    let console = ConsoleOutput(isTerminal: false) { _ in }
    let destination = LogDestination(console)
    let log = ConsoleLog(destination, rank: group.rank).logger()
    var environment = try makeRun(group, console, log, destination, settings.compute.precision)
    environment.goesOnAfterFailure = true
    let epochs = plan.options.stopping.rungs(below: settings.epochs)
    if !epochs.isEmpty { environment.rungs = TrainingRungs(epochs: epochs) { try judge(trial, at: $0) } }
    _ = try TrainingRun(settings, resolved, from: StartingState(), environment).run()
  }

  private func judge(_ trial: Trial, at rung: RungResult) throws -> Bool {
    let run = SweepFolder(plan.folder).run(of: trial)
    let outcome = TrialOutcome(
      trial, .stopped, attempts: 1, epochs: rung.epoch, steps: rung.step, metrics: rung.metrics,
      seconds: TrialProgress(run: run)?.seconds, ranks: group.worldSize)
    if try judge(outcome) { return true }
    stop.outcome = outcome
    return false
  }
}
