import ArgumentParser
import Files
import Foundation
import MachineBenchmark
import MatrixBackends

/// `skiptune bench machine`.
struct BenchMachine: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "machine",
    abstract: "Measure products, memory, and messages between ranks: what `skiptune plan` needs to know.",
    discussion: """
      Alone or under mpirun, started as training would be: as many ranks on as many hosts. Takes about half a minute, \
      longer on slow links. Nothing else should run.
      """)

  @OptionGroup var shape: ModelShapeOptions
  @Option(help: ArgumentHelp("Write the results to this file, for skiptune plan --machine.", valueName: "file"))
  var json: String?
  @OptionGroup var logging: LogOptions

  func run() throws {
    try Session.run(logLevel: logging.logLevel) { session in
      let configuration = try session.collectives.agree { try shape.configuration() }
      let report = try MachineBenchmark(configuration, session.collectives, threads: session.threads) {
        MachineProduct(threads: $0)
      }.run { if session.collectives.rank == 0 { session.log.info("measuring \($0)") } }
      try session.collectives.agree {
        guard session.collectives.rank == 0 else { return }
        print(report.tables, terminator: "")
        if let json {
          try AtomicFile.write(Data(report.json(version: Skiptune.version).utf8), to: URL(fileURLWithPath: json))
        }
      }
    }
  }
}
