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
  let threads: Int
  let console: ConsoleOutput
  let logDestination: LogDestination
  let log: Log

  /// The products that all ranks compute with: bf16 only where every CPU of the run has arithmetic for it.
  ///
  /// Collective: all ranks call this in the same order.
  func product(_ precision: Precision) throws -> MachineProduct {
    let here: Int64 = MachineProduct.Capabilities.here.bfloat16 ? 1 : 0
    let isEverywhere = try collectives.allReduce(here, .min) == 1
    if precision == .bf16, !isEverywhere, collectives.rank == 0 {
      log.warning("a CPU of this run has no bf16 arithmetic, without which fp32 is faster: computing in fp32")
    }
    let product = MachineProduct(threads: threads, precision: isEverywhere ? precision : .fp32)
    if collectives.rank == 0 { log.debug("products by \(product.description)") }
    return product
  }

  /// Joins the run, does `body`, and ends all ranks alike.
  ///
  /// Never returns: the process ends with 0, or with the status of the failure, which one rank speaks of. `deadline` is
  /// what waits begin with.
  static func run(
    logLevel: String, deadline: Duration = .seconds(600), _ body: (Session) throws -> Void
  ) throws -> Never {
    ProcessHeap.keepFreedMemory()
    let collectives = try MPICollectives.initialize(deadline: deadline)
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
          collectives: collectives, threads: plan.threads, console: console, logDestination: destination, log: log))
      try collectives.finalize()
      exit(ExitStatus.success.rawValue)
    } catch {
      // Whatever was under way is not any more.
      console.setStatus("")
      let failure = error as? Failure ?? Failure(.internalError, "\(error)")
      collectives.end(with: failure) { _ in log.error("\(failure)") }
    }
  }
}

extension TrainingRun<MachineProduct>.Environment {
  /// What a session has.
  ///
  /// Collective: all ranks call this in the same order.
  init(_ session: Session, _ precision: Precision) throws {
    self.init(
      collectives: session.collectives, product: try session.product(precision), threads: session.threads,
      console: session.console, log: session.log, logDestination: session.logDestination, version: Skiptune.version)
  }
}
