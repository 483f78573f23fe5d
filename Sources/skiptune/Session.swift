import Collectives
import Diagnostics
import Foundation
import Kernels
import MPICollectives
import MatrixBackends
import Reporting
import Training

/// A process that has joined the run: who it is, and what it computes and speaks with.
struct Session {
  let collectives: any MessagePassing
  let product: OpenBLASProduct
  let threads: Int
  let console: ConsoleOutput
  let logDestination: LogDestination
  let log: Log

  /// Joins the run, does `body`, and ends all ranks alike.
  ///
  /// Never returns: the process ends with 0, or with the status of the failure, which one rank speaks of.
  static func run(logLevel: String, _ body: (Session) throws -> Void) throws -> Never {
    let collectives = try MPICollectives.initialize()
    let level = Result { try ConsoleLog.level(named: logLevel) }
    let console = ConsoleOutput.standardError()
    let destination = LogDestination(console)
    let log = ConsoleLog(destination, level: (try? level.get()) ?? .info, rank: collectives.rank).logger()
    // Whichever rank has to say it: others than rank 0 are quiet by default.
    let anyRank = ConsoleLog(destination, level: .notice, rank: 0).logger()
    collectives.reportPatience = { anyRank.notice("\($0)") }
    collectives.reportLoss = { anyRank.error("\($0)") }
    do {
      _ = try level.get()
      let plan = try collectives.threadPlan()
      if let warning = plan.warning, collectives.nodeRank == 0 { log.warning("\(warning)") }
      try body(
        Session(
          collectives: collectives, product: OpenBLASProduct(threads: plan.threads), threads: plan.threads,
          console: console, logDestination: destination, log: log))
      try collectives.finalize()
      exit(ExitStatus.success.rawValue)
    } catch {
      let failure = error as? Failure ?? Failure(.internalError, "\(error)")
      collectives.end(with: failure) { _ in log.error("\(failure)") }
    }
  }
}

extension TrainingRun<OpenBLASProduct>.Environment {
  /// What a session has.
  init(_ session: Session) {
    self.init(
      collectives: session.collectives, product: session.product, threads: session.threads,
      console: session.console, log: session.log, logDestination: session.logDestination, version: Skiptune.version)
  }
}
