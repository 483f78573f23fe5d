import ArgumentParser
import Protocols

/// `skiptune compare`.
struct Compare: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Say in what runs differ - weights, data, prompts, settings, ranks, version - and what moved.",
    discussion: """
      Runs are run directories that are finished, or JSON files of `skiptune evaluate` and of protocols. Changes are \
      against the first, where as many images were tested.
      """)

  @Argument(help: ArgumentHelp("Runs, at least two.", valueName: "run"))
  var runs: [String]

  func validate() throws {
    guard runs.count >= 2 else { throw ValidationError("give at least two runs, not \(runs.count)") }
  }

  func run() throws {
    let comparison = try RunComparison(runs)
    let differences = comparison.differences
    print(
      differences.rows.isEmpty
        ? "provenance and settings are the same\n" : "differences:\n\n\(differences.terminal)")
    print(comparison.results.terminal, terminator: "")
  }
}
