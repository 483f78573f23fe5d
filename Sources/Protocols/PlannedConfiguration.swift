import Configuration
import Foundation
import Training

/// The configuration that all runs of a protocol share, over which each lays its own.
struct PlannedConfiguration {
  let files: [URL]
  let overrides: [String]

  /// Settings of a run on a data set that a protocol names.
  ///
  /// The data set's file comes after the shared ones, then the user's options, then `more`.
  func read(_ dataset: String, in folder: URL, _ more: [String]) throws -> (RunSettings, ResolvedConfiguration) {
    let place = "run_dir='\(folder.path.replacing("'", with: "''"))'"
    let result = try RunSettings.read(try source(dataset, [place] + more))
    return (result.settings, result.resolved)
  }

  /// What results call the data set.
  func datasetName(_ dataset: String) throws -> String { try RunSettings.dataset(source(dataset, [])).name }

  private func source(_ dataset: String, _ more: [String]) throws -> ConfigurationSource {
    try DatasetConfiguration(files: files, overrides: overrides, place: "protocol.data_sets").source(dataset, more)
  }
}
