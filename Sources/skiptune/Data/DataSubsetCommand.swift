import ArgumentParser
import Datasets
import Diagnostics
import Foundation

extension DataCommand {
  /// `skiptune data subset`.
  struct Subset: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Write the few-shot subset that training would draw as a JSON file.",
      discussion: "Training takes such a file as data.subset.")
    @OptionGroup var datasets: DatasetOptions
    @Option(help: "Training images per class.")
    var shots: Int
    @Option(help: "Draws them; the published seeds are 1, 2 and 3.")
    var seed: Int
    @Option(name: .shortAndLong, help: ArgumentHelp("File to write.", valueName: "file"))
    var output: String

    func validate() throws {
      guard shots > 0 else { throw ValidationError("--shots must be at least 1, not \(shots)") }
      guard seed >= 0 else { throw ValidationError("--seed must be at least 0, not \(seed)") }
    }

    func run() throws {
      try OutputPlace.judgeFile(output)
      let locations = try datasets.locations()
      guard locations.count == 1 else {
        throw Failure(.usage, "\(locations.count) data sets are named", remedy: "name one")
      }
      let drawn = try locations[0].read().fewShot(shots: shots, seed: seed)
      let subset = FewShotSubset(train: drawn.train, validation: drawn.validation)
      try subset.write(to: URL(fileURLWithPath: output), of: drawn.name, shots: shots, seed: seed)
      print(
        "wrote \(output): \(subset.train.count) training and \(subset.validation.count) validation images of \(drawn.name)"
      )
    }
  }
}
