import ArgumentParser
import Configuration
import Reporting
import Training

/// `skiptune config`.
struct Config: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "List the settings of a run, explain one, or print their JSON Schema for editors.")

  @Flag(help: "Print a JSON Schema of the configuration files.")
  var schema = false
  @Flag(help: "Print the list as a Markdown table.")
  var markdown = false

  @Option(
    help: ArgumentHelp(
      "Explain a setting, or all of a section; with -c and --set also its value and where that comes from.",
      valueName: "key"))
  var explain: String?
  @OptionGroup var settings: SettingOptions

  func validate() throws {
    guard explain != nil || settings.files.isEmpty && settings.overrides.isEmpty else {
      throw ValidationError("-c and --set go with --explain: without it the list is that of all runs")
    }
    guard [explain != nil, schema, markdown].count(where: { $0 }) <= 1 else {
      throw ValidationError("give one of --explain, --schema and --markdown")
    }
  }

  /// Where there is more to read about the settings of a section.
  static let pages = [
    "": "docs/configuration.md", "model": "docs/models.md", "data": "docs/data-sets.md", "method": "docs/methods.md",
    "batch": "docs/large-batches.md", "optim": "docs/large-batches.md", "exchange": "docs/distributed.md",
    "features": "docs/features.md", "compute": "docs/numerics.md", "augment": "docs/method.md",
    "evaluate": "docs/evaluation.md", "checkpoint": "docs/resuming.md", "limits": "docs/evaluation.md",
    "output": "docs/report.md", "protocol": "docs/protocols.md",
  ]

  private func explanation(_ key: String, _ reference: ConfigurationReference) throws -> String {
    let isResolved = !settings.files.isEmpty || !settings.overrides.isEmpty
    let resolved = isResolved ? try RunSettings.read(settings.source(), for: .explanation).resolved : nil
    return try reference.explain(key, in: resolved) { key in
      Self.pages[key.split(separator: ".").dropLast().first.map(String.init) ?? ""]
    }
  }

  func run() throws {
    let reference = try RunSettings.reference()
    if let explain { return print(try explanation(explain, reference)) }
    guard !schema else { return print(try reference.jsonSchema()) }
    var table = TextTable(columns: ["setting", "default", "rule", "meaning"])
    for setting in reference.settings {
      table.append([
        setting.key, setting.isRequired ? "(required)" : setting.defaultValue?.yaml, setting.rule,
        setting.documentation,
      ])
    }
    print(markdown ? table.markdown : table.terminal, terminator: "")
  }
}
