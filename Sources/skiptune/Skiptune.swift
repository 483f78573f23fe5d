import ArgumentParser

/// The command line: the only place that wires doors to engines and turns errors into exit codes.
@main
struct Skiptune: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "skiptune",
    abstract: "Adapt CLIP models to image classification with Skip Tuning, on one machine or a cluster.")
}
