import Configuration
import Foundation

/// The configuration that several runs share, over which each lays its own.
package struct PlannedConfiguration: Sendable {
  private let files: [URL]
  private let overrides: [String]
  /// What messages call the list of data sets.
  private let place: String

  /// Configuration files, merged left to right, and `key.path=value` options over them.
  package init(files: [URL], overrides: [String], place: String) {
    (self.files, self.overrides, self.place) = (files, overrides, place)
  }

  /// Settings of a run in a folder of its own, on a data set that the plan names, or on the shared one where it names none.
  ///
  /// The data set's file comes after the shared ones, then the user's options, then `more`.
  package func read(
    _ dataset: String?, in folder: URL, _ more: [String]
  ) throws -> (settings: RunSettings, resolved: ResolvedConfiguration) {
    let place = "run_dir='\(folder.path.replacing("'", with: "''"))'"
    return try RunSettings.read(try source(dataset, [place] + more))
  }

  /// What results call the data set.
  package func datasetName(_ dataset: String) throws -> String {
    try RunSettings.dataset(source(dataset, [])).name
  }

  private func source(_ dataset: String?, _ more: [String]) throws -> ConfigurationSource {
    guard let dataset else { return try ConfigurationSource(files: files, overrides: overrides + more) }
    return try DatasetConfiguration(files: files, overrides: overrides, place: place).source(dataset, more)
  }
}
