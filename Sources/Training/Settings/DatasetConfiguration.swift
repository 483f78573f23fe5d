import Configuration
import Datasets
import Diagnostics
import Foundation

/// A configuration over which data sets lay their own, by name or by file.
package struct DatasetConfiguration {
  private let shared: () throws -> ConfigurationSource
  /// What messages call the list of data sets.
  private let place: String

  /// Files and options that all data sets share.
  package init(files: [URL], overrides: [String], place: String) {
    shared = { try ConfigurationSource(files: files, overrides: overrides) }
    self.place = place
  }

  /// A configuration that was read already.
  init(_ shared: ConfigurationSource, place: String) {
    self.shared = { shared }
    self.place = place
  }

  /// The configuration of a data set: its file comes after the shared ones, then the shared options, then `more`.
  ///
  /// Throws `Failure(.usage)` for a name that is neither published nor a file's.
  package func source(_ dataset: String, _ more: [String] = []) throws -> ConfigurationSource {
    if isFile(dataset) {
      return try shared().adding(
        files: [URL(fileURLWithPath: (dataset as NSString).expandingTildeInPath)], overrides: more)
    }
    guard let entry = DatasetCatalog.entry(named: dataset) else {
      let near = nearestMatch(to: dataset, among: DatasetCatalog.entries.map(\.name))
      throw Failure(
        .usage, at: place, "\(quoted(dataset)) is no published name, and no file of that name is there",
        remedy: near.map { "did you mean \($0)?" } ?? "give the path of a configuration file, ending in .yaml")
    }
    return try shared().adding(files: [], overrides: ["data.name=\(entry.name)"] + more)
  }

  private func isFile(_ dataset: String) -> Bool {
    dataset.contains("/") || [".yaml", ".yml"].contains { dataset.hasSuffix($0) }
  }
}
