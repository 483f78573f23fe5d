import Configuration
import Diagnostics
import Training

/// The settings that a sweep can vary.
struct SweepKeys {
  private let types: [String: SettingType]

  /// Throws what listing the settings throws.
  init() throws {
    types = Dictionary(try RunSettings.reference().settings.map { ($0.key, $0.type) }) { first, _ in first }
  }

  /// All of them.
  var all: Set<String> { Set(types.keys) }

  /// The type of the setting that `element` is about.
  ///
  /// Throws `Failure(.usage)` for a key that there is not, or that trials cannot differ in.
  func type(of key: String, _ element: ConfigurationElement) throws -> SettingType {
    let place = element.origin.description
    guard let type = types[key] else {
      let near = nearestMatch(to: key, among: types.keys) ?? types.keys.sorted().first { $0.hasSuffix(".\(key)") }
      throw Failure(
        .usage, at: place, "there is no setting \(quoted(key))",
        remedy: near.map { "did you mean \($0)?" }
          ?? (key == SweepAxis.dataKey ? "list data sets in data_sets" : "skiptune config lists all settings"))
    }
    if key == "run_dir" || key.hasPrefix("protocol.") {
      throw Failure(
        .usage, at: place,
        "\(key) cannot be varied: \(key == "run_dir" ? "each trial has a run directory of its own" : "it is for skiptune protocol")",
        remedy: "take it out")
    }
    return type
  }
}
