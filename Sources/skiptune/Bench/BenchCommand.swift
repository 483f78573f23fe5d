import ArgumentParser
import CLIPModel
import Planning

/// `skiptune bench`.
struct Bench: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Measure how fast this machine is.",
    subcommands: [BenchMachine.self, BenchPhases.self, BenchImages.self])
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
