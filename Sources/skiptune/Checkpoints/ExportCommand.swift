import ArgumentParser

extension CheckpointCommand {
  /// `skiptune checkpoint export`.
  struct Export: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Make a model of a checkpoint.",
      discussion: "What is there already is never overwritten. A delta file may stand for the checkpoint.")
    @Argument(help: CheckpointArgument.help)
    var checkpoint: String
    @OptionGroup var export: ExportOptions

    func run() throws { try export.write { try CheckpointArgument.tunedWeights(checkpoint) } }
  }
}
