import Configuration
import Foundation

/// Which trainings and tests `skiptune protocol` makes of one configuration; of no meaning to a single run.
package struct ProtocolSettings: Sendable {
  /// Configuration files or published names.
  package var datasets: [String]
  package var targets: [String]
  package var shots: [Int]
  package var seeds: [Int]
  /// Epochs of the data sets `shortened`, instead of `optim.epochs`.
  package var fewerEpochs: Int?
  package var shortened: [String]
  /// How often a run that failed is tried again.
  package var retries: Int
  /// Results to compare with.
  package var published: URL?

  init(_ reader: SettingsReader) throws {
    let example = "configs/datasets/dtd.yaml"
    datasets = try reader.strings(
      "data_sets", default: [], example: example,
      "data sets that are trained on: configuration files, each laid over this configuration, or published names")
    targets = try reader.strings(
      "targets", default: [], example: example, "data sets that models trained on the one data set are tested on")
    shots = try reader.integers(
      "shots", default: [16], in: 1..., count: 1...,
      "training images per class, of each training; instead of data.shots"
    )
    seeds = try reader.integers(
      "seeds", default: [1, 2, 3], in: 0...Int(UInt32.max), count: 1..., "seeds of the trainings; instead of seed")
    fewerEpochs = try reader.optionalInteger(
      "fewer_epochs", in: 0...100_000, "optim.epochs of the data sets of fewer_epochs_for")
    shortened = try reader.strings(
      "fewer_epochs_for", default: [], example: "ImageNet", "names of data sets that are trained for fewer epochs")
    retries = try reader.integer(
      "retries", default: 1, in: 0...100, "how often a run that failed is tried again, after all others")
    published = try reader.optionalPath("published", "JSON file of published results to compare with")
    try reader.require(
      Set(shots).count == shots.count, about: "shots", "names a number twice", remedy: "leave one of them out")
    try reader.require(
      Set(seeds).count == seeds.count, about: "seeds", "names a seed twice", remedy: "leave one of them out")
    try reader.require(
      (fewerEpochs == nil) == shortened.isEmpty, about: fewerEpochs == nil ? "fewer_epochs_for" : "fewer_epochs",
      "needs the other of protocol.fewer_epochs and protocol.fewer_epochs_for", remedy: "give both or none")
  }
}
