import ArgumentParser

/// `skiptune model`.
struct ModelCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "model", abstract: "Look at pretrained models.", subcommands: [Inspect.self])
}
