import Configuration
import Datasets
import Diagnostics
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
    if isFile(dataset) {
      return try ConfigurationSource(
        files: files + [URL(fileURLWithPath: (dataset as NSString).expandingTildeInPath)], overrides: overrides + more)
    }
    guard let entry = DatasetCatalog.entry(named: dataset) else {
      let near = nearestMatch(to: dataset, among: DatasetCatalog.entries.map(\.name))
      throw Failure(
        .usage, at: "protocol.data_sets", "\(quoted(dataset)) is no published name, and no file of that name is there",
        remedy: near.map { "did you mean \($0)?" } ?? "give the path of a configuration file, ending in .yaml")
    }
    return try ConfigurationSource(files: files, overrides: overrides + ["data.name=\(entry.name)"] + more)
  }

  private func isFile(_ dataset: String) -> Bool {
    dataset.contains("/") || [".yaml", ".yml"].contains { dataset.hasSuffix($0) }
  }
}
