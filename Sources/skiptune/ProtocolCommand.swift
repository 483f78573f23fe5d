import ArgumentParser
import Collectives
import Diagnostics
import Foundation
import MatrixBackends
import Protocols
import Training

extension ProtocolKind: ExpressibleByArgument {}

/// `skiptune protocol`.
struct ProtocolCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "protocol",
    abstract: "Run a whole published protocol: every data set, number of shots and seed, and tables of the results.",
    discussion: """
      Settings are those of `skiptune train`; section `protocol` of them, in configs/protocols, names data sets, shots and \
      seeds. Each run has a folder of its own in --run-dir. Finished runs are never made again, one that was stopped goes \
      on, and one that failed is tried again after the others: so the same command goes on after whatever happened. Under \
      mpirun the ranks share every run. A signal of a scheduler ends it with status 75.
      """)

  @Argument(help: "Which one.")
  var kind: ProtocolKind
  @OptionGroup var options: ConfigurationOptions
  @Flag(help: "List the runs, and which of them are finished, and stop.")
  var dryRun = false
  @OptionGroup var logging: LogOptions

  func run() throws {
    StopSignal.watch()
    try Session.run(logLevel: logging.logLevel) { session in
      let plan = try session.collectives.agree {
        try ProtocolPlan(
          kind, files: options.settings.files.map { URL(fileURLWithPath: $0) }, overrides: options.overrides)
      }
      let run = ProtocolRun<MachineProduct>(
        plan,
        ProtocolRun.Environment(
          collectives: session.collectives, log: session.log, logDestination: session.logDestination
        ) { try TrainingRun.Environment(session, $0) })
      guard !dryRun else { return try show(run.overview().joined(separator: "\n") + "\n", session) }
      let report = try run.run()
      try show(report.text, session)
      // All ranks know of it.
      if let failure = report.failure { throw failure }
    }
  }

  private func show(_ text: String, _ session: Session) throws {
    if session.collectives.rank == 0 { print(text, terminator: "") }
  }
}
