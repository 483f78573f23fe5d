import ArgumentParser
import Configuration
import Reporting
import Training

/// `skiptune config`.
struct Config: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "List the settings of a run, or print their JSON Schema for editors.")

  @Flag(help: "Print a JSON Schema of the configuration files.")
  var schema = false
  @Flag(help: "Print the list as a Markdown table.")
  var markdown = false

  func run() throws {
    let reference = try RunSettings.reference()
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
