import ArgumentParser
import Datasets
import Diagnostics
import Foundation
import Training

/// `skiptune data`.
struct DataCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "data", abstract: "Look at data sets: which are there, and whether they are sound.",
    subcommands: [List.self, Verify.self, Subset.self])
}

/// Data sets as users name them: those known by name in a data root, or the one of a configuration.
struct DatasetOptions: ParsableArguments {
  @Argument(
    help: ArgumentHelp(
      "Data sets by their published names or folders; default: all in the data root.", valueName: "name"))
  var names: [String] = []
  @Option(help: ArgumentHelp("Folder that holds one folder per data set.", valueName: "folder"))
  var root: String?
  @OptionGroup var settings: SettingOptions

  /// Whether anything says where data sets are.
  var isGiven: Bool { root != nil || isConfigured }

  /// Whether the data set of a configuration is meant.
  private var isConfigured: Bool { !settings.files.isEmpty || !settings.overrides.isEmpty }

  func validate() throws {
    guard !isConfigured || names.isEmpty && root == nil else {
      throw ValidationError("name data sets and their --root, or give a configuration, not both")
    }
  }

  /// The data sets that are named, in the order named, or all known ones.
  ///
  /// Throws `Failure(.usage)` for an unknown name, or where no root is given. The disk is not looked at, but for
  /// configuration files.
  func locations() throws -> [DatasetLocation] {
    guard !isConfigured else { return [try RunSettings.dataset(settings.source())] }
    guard let root else {
      throw Failure(
        .usage, at: "--root", "is not given",
        remedy: "say where the data sets are, or give a configuration with --config")
    }
    let known = names.isEmpty ? DatasetCatalog.entries.map(\.name) : names
    return try known.map { try DatasetLocation(name: $0, dataRoot: URL(fileURLWithPath: root)) }
  }

  /// The same, without those that nobody named and that are not there.
  ///
  /// Throws `Failure(.missingInput)` where none is left.
  func presentLocations() throws -> [DatasetLocation] {
    let locations = try locations()
    guard !isConfigured, names.isEmpty else { return locations }
    let present = locations.filter(\.isPresent)
    guard !present.isEmpty else {
      throw Failure(
        .missingInput, at: root, "none of the known data sets is here",
        remedy: "give the folder that holds folders such as \(DatasetCatalog.entries[1].folder)")
    }
    return present
  }
}

extension DatasetLocation {
  /// Whether the data set's folder is there.
  var isPresent: Bool { FileManager.default.fileExists(atPath: folder.path) }
}
