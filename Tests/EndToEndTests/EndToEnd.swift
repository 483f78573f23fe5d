import Foundation
import TestSupport
import Testing

/// Tests of the built program as a user starts it, one job after the other: several at once would only wait for each
/// other's processors.
@Suite(.serialized) enum EndToEnd {}

/// The built `skiptune`.
enum Program {
  /// mpirun waits this many seconds before it kills what is left of a failed job.
  ///
  /// Without a wait tests are two seconds faster each, and stricter: what rank 0 has not said by then is never said.
  static let noPatience = ["--mca", "odls_base_sigkill_timeout", "0"]

  /// Runs it alone, or under `mpirun` where `ranks` is given, and waits for its end.
  static func run(
    ranks: Int? = nil, _ arguments: [String], environment: [String: String] = [:], timeout: Duration = .seconds(60)
  ) throws -> ProcessRunner.Outcome {
    if let ranks {
      return try MPIRun.run(
        ranks: ranks, program: "skiptune", arguments: arguments, options: noPatience, environment: environment,
        timeout: timeout)
    }
    return try ProcessRunner.run(
      BuiltProducts.url("skiptune"), arguments, environment: MPIRun.cleanEnvironment.merging(environment) { $1 },
      timeout: timeout)
  }
}

extension ProcessRunner.Outcome {
  /// Lines of standard error but for warnings: a machine of few cores warns of too many threads.
  var linesButWarnings: [Substring] { stderr.split(separator: "\n").filter { !$0.contains(" warning ") } }
}

extension SmallTask {
  /// Command line of a training run with these settings over the configuration file's.
  func trainArguments(_ name: String, _ settings: [String] = []) -> [String] {
    trainArguments(runDirectory: run(name), settings)
  }

  /// The same with results in any folder.
  func trainArguments(runDirectory: URL, _ settings: [String] = []) -> [String] {
    ["train", "-c", configuration.path, "--run-dir", runDirectory.path] + settings.flatMap { ["--set", $0] }
  }

  /// Trains to the end, which must be a good one.
  func train(
    _ name: String, ranks: Int? = nil, _ settings: [String] = [], resume: String = "auto",
    environment: [String: String] = [:], _ location: SourceLocation = #_sourceLocation
  ) throws -> RunFolder {
    let outcome = try Program.run(
      ranks: ranks, trainArguments(name, settings) + ["--resume", resume], environment: environment)
    try #require(outcome.status == 0 && !outcome.timedOut, "\(outcome.stderr)", sourceLocation: location)
    return RunFolder(run(name))
  }
}
