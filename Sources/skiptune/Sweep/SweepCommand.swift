import ArgumentParser

/// `skiptune sweep`.
struct SweepCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "sweep",
    abstract: "Find settings: run many trials, compare them, and write the best as a configuration.",
    subcommands: [SweepRunCommand.self, SweepStatusCommand.self])
}
