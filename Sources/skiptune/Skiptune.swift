import ArgumentParser
import CBuildFacts
import Collectives
import Diagnostics
import Foundation
import MPICollectives

/// The command line: the only place that wires doors to engines and turns errors into exit codes.
@main
struct Skiptune: ParsableCommand {
  static let version = "0.1.0"

  /// The version, and what the build was told of itself.
  private static var versionAndBuild: String { "\(version) (\(String(cString: build_facts())))" }

  static let configuration = CommandConfiguration(
    commandName: "skiptune",
    abstract: "Adapt CLIP models to image classification with Skip Tuning, on one machine or a cluster.",
    discussion: "Start it alone or under mpirun: mpirun -np 4 skiptune train -c run.yaml",
    version: versionAndBuild,
    subcommands: [
      Train.self, Evaluate.self, Embed.self, Classify.self, DataCommand.self, CheckpointCommand.self, CacheCommand.self,
      Config.self, Plan.self, Bench.self, ModelCommand.self, ProtocolCommand.self, SweepCommand.self, Compare.self,
      Analyze.self, Report.self, Doctor.self, Manual.self,
    ])

  static func main() {
    var command: any ParsableCommand
    do { command = try parseAsRoot() } catch { Ending.exit(parsing: error) }
    do {
      try command.run()
    } catch let failure as Failure {
      Ending.exit(failure)
    } catch {
      Ending.exit(parsing: error)  // Help is a command that throws what it has to say.
    }
  }
}

/// The ways out of the program before, or without, a session.
enum Ending {
  /// One line on standard error, and the failure's exit status.
  static func exit(_ failure: Failure) -> Never {
    if speaks { write("skiptune: \(failure)\n", to: .standardError) }
    Foundation.exit(failure.status.rawValue)
  }

  /// Help, version, or what is wrong with the command line.
  ///
  /// A launcher takes a process that ends with an error for a crash and ends the others, perhaps before the first has
  /// spoken. So with bad news they meet here and leave together.
  static func exit(parsing error: any Error) -> Never {
    let code = Skiptune.exitCode(for: error)
    let message = Skiptune.fullMessage(for: error)
    let collectives =
      code.isSuccess || !LaunchEnvironment.current.isLaunched ? nil : try? MPICollectives.initialize()
    if speaks, !message.isEmpty { write(message + "\n", to: code.isSuccess ? .standardOutput : .standardError) }
    try? collectives?.finalize(hasFailed: true)
    Foundation.exit(code.rawValue)
  }

  /// Under a launcher only the first process speaks of what all of them see.
  private static var speaks: Bool {
    let environment = ProcessInfo.processInfo.environment
    let rank = ["OMPI_COMM_WORLD_RANK", "PMIX_RANK", "PMI_RANK"].lazy.compactMap { environment[$0] }.first
    return rank == nil || rank == "0"
  }

  private static func write(_ text: String, to handle: FileHandle) { try? handle.write(contentsOf: Data(text.utf8)) }
}
