/// A setting as config.resolved.yaml has it.
public struct SettingRecord: Equatable, Sendable {
  /// Names of sections and of the setting, joined by dots.
  public var key: String
  /// As YAML.
  public var value: String
  /// Where the value comes from: `default`, `--set`, or file and line.
  public var origin: String

  /// The settings of a file that skiptune wrote: `key: value  # origin`, two more spaces for each section.
  static func all(in yaml: String) -> [SettingRecord] {
    var sections: [String] = []
    var settings: [SettingRecord] = []
    for line in yaml.split(separator: "\n") where !line.hasPrefix("#") {
      let depth = line.prefix { $0 == " " }.count / 2
      guard let colon = line.firstIndex(of: ":") else { continue }
      let key = line[..<colon].drop { $0 == " " }
      let (value, origin) = divided(line[line.index(after: colon)...])
      sections = Array(sections.prefix(depth)) + [String(key)]
      if let value {
        settings.append(SettingRecord(key: sections.joined(separator: "."), value: value, origin: origin))
      }
    }
    return settings
  }

  /// Value and origin of what follows a key; no value where a section begins.
  private static func divided(_ rest: Substring) -> (value: String?, origin: String) {
    let text = rest.drop { $0 == " " }
    guard !text.isEmpty else { return (nil, "") }
    guard let mark = text.ranges(of: "  # ").last else { return (String(text), "") }
    return (String(text[..<mark.lowerBound]), String(text[mark.upperBound...]))
  }
}
