import ArgumentParser
import CLIPModel
import Diagnostics
import Files
import Foundation
import MachineBenchmark
import MatrixBackends
import Planning

/// `skiptune bench`.
struct Bench: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Measure how fast this machine is.", subcommands: [Machine.self])

  /// `skiptune bench machine`.
  struct Machine: ParsableCommand {
    static let configuration = CommandConfiguration(
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
}

/// Which model's shape is meant.
struct ModelShapeOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp("A model, as model.path names it, for its shape; weights are not read.", valueName: "model"))
  var model: String?
  @OptionGroup var details: ModelDetailOptions
  @Option(help: "Shape of a published model: ViT-B/32, ViT-B/16, ViT-L/14 or ViT-L/14-336.")
  var shape = "ViT-B/16"

  /// The shape of the folder's model where one is given.
  func configuration() throws -> CLIPConfiguration {
    guard let model else { return try CLIPPresets.configuration(named: shape) }
    return try details.source(model).configuration()
  }
}
