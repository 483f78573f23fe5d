import ArgumentParser
import Configuration
import Foundation

/// Where settings come from: the same for every command that is configured.
struct SettingOptions: ParsableArguments {
  @Option(
    name: [.customShort("c"), .customLong("config")], parsing: .upToNextOption,
    help: ArgumentHelp("Configuration files, merged left to right.", valueName: "file"))
  var files: [String] = []

  @Option(name: .customLong("set"), help: ArgumentHelp("One setting, over the files.", valueName: "key.path=value"))
  var overrides: [String] = []

  /// The merged settings.
  ///
  /// Throws `Failure` for files that cannot be read.
  func source() throws -> ConfigurationSource {
    try ConfigurationSource(files: files.map { URL(fileURLWithPath: $0) }, overrides: overrides)
  }
}

/// Settings of a command that leaves a run directory.
struct ConfigurationOptions: ParsableArguments {
  @OptionGroup var settings: SettingOptions

  @Option(help: ArgumentHelp("Folder of the results; the same as --set run_dir=...", valueName: "folder"))
  var runDir: String?

  /// All options over the files, the run directory last.
  var overrides: [String] {
    settings.overrides + (runDir.map(Self.runDirectory) ?? [])
  }

  /// What `--run-dir` means; quoted, so that a folder called `true` or `1` stays a text.
  static func runDirectory(_ folder: String) -> [String] {
    ["run_dir='\(folder.replacingOccurrences(of: "'", with: "''"))'"]
  }

  /// The merged settings.
  ///
  /// Throws `Failure` for files that cannot be read.
  func source() throws -> ConfigurationSource {
    try ConfigurationSource(files: settings.files.map { URL(fileURLWithPath: $0) }, overrides: overrides)
  }
}

/// How much is said.
struct LogOptions: ParsableArguments {
  @Option(help: "Least level that is logged: trace, debug, info, notice, warning, error or critical.")
  var logLevel = "info"
}
