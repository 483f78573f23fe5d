import ArgumentParser

/// `skiptune sweep`.
struct SweepCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "sweep",
    abstract: "Find settings: run many trials, compare them, and write the best as a configuration.",
    discussion: """
      A sweep file says which settings are varied and how: grids, lists, ranges, random draws, constraints. Everything is \
      judged before anything runs.
      """,
    subcommands: [SweepRunCommand.self, SweepStatusCommand.self, SweepBestCommand.self, SweepReportCommand.self])
}
