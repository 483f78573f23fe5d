import ArgumentParser
import Collectives
import Diagnostics
import Foundation
import MatrixBackends
import Reporting
import SweepExecution
import Sweeps
import Training

/// How a job runs its part of a sweep.
struct SweepExecutionOptions: ParsableArguments {
  @Flag(help: "Stay until trials are done that other jobs are at work on.")
  var wait = false
  @Flag(help: "Make a smaller group of ranks that are left over.")
  var useAllRanks = false
  @Flag(help: "Make groups larger when fewer trials are left than there are groups.")
  var resizeGroups = false
  @Flag(help: "Try trials once more that have failed as often as they may.")
  var retryFailed = false
  @Option(
    parsing: .upToNextOption,
    help: ArgumentHelp("Let trials go on that were stopped early; they are judged no more.", valueName: "trial"))
  var revive: [String] = []
  @Option(
    help: ArgumentHelp(
      "Take over a trial from a job on another host that has given no sign of life for so long.", valueName: "seconds"))
  var lease = 120.0

  func validate() throws {
    guard lease >= 1, lease <= 86_400 else {
      throw ValidationError("--lease is \(lease) but must be from 1 to 86400 seconds")
    }
  }

  /// Runs what there is to run of a sweep, shows what came of it, and throws where trials have failed.
  ///
  /// Collective: all ranks of the session call this.
  func run(_ plan: SweepPlan, _ estimates: SweepEstimates, _ session: Session) throws {
    var options = SweepRun<MachineProduct>.Options()
    (options.lease, options.waitsForOthers, options.usesAllRanks) = (lease, wait, useAllRanks)
    (options.retriesFailed, options.revived, options.resizesGroups) = (retryFailed, revive, resizeGroups)
    let environment = SweepRun<MachineProduct>.Environment(
      world: session.collectives, console: session.console, log: session.log
    ) { group, console, log, destination, precision in
      let part = Session(
        collectives: group, threads: session.threads, console: console, logDestination: destination, log: log)
      return try TrainingRun.Environment(part, precision)
    }
    let order = estimates.dearestFirst.map(\.trial)
    let run = SweepRun(plan, options, environment, order: order)
    let summary = try run.run()
    if let summary { print(summary.text, terminator: "") }
    // Rank 0 alone has read what there is.
    _ = try session.collectives.agree { if let failure = summary?.failure { throw failure } }
  }
}
