import Foundation

/// The type of a setting, as users see it.
public indirect enum SettingType: Equatable, Sendable {
  case integer, number, boolean, text, path
  /// One of the words listed.
  case choice([String])
  case list(SettingType)

  /// `integer`, `choice`, `list of integer`...: the column of a reference table.
  public var name: String {
    switch self {
    case .integer: "integer"
    case .number: "number"
    case .boolean: "true or false"
    case .text: "text"
    case .path: "path"
    case .choice: "choice"
    case .list(let element): "list of \(element.name)"
    }
  }
}

/// The value of a setting.
public enum SettingValue: Equatable, Sendable {
  case integer(Int)
  case number(Double)
  case boolean(Bool)
  case text(String)
  case list([SettingValue])
  /// An optional setting that is not given.
  case null

  /// The value in YAML, on one line; reads back to the same value.
  public var yaml: String {
    switch self {
    case .integer(let value): "\(value)"
    case .number(let value): "\(value)"
    case .boolean(let value): "\(value)"
    case .text(let text): Self.isPlainWord(text) ? text : Self.quoted(text)
    case .list(let values): "[" + values.map(\.yaml).joined(separator: ", ") + "]"
    case .null: "null"
    }
  }

  /// Whether every YAML reader takes the unquoted word for text, those of YAML 1.1 with their `yes` and `off` included.
  private static func isPlainWord(_ text: String) -> Bool {
    guard let first = text.unicodeScalars.first, first.isASCII, first.properties.isAlphabetic || first == "/" else {
      return false
    }
    let isWord = text.unicodeScalars.allSatisfy {
      $0.isASCII && ($0.properties.isAlphabetic || ("0"..."9").contains($0) || "_./+-".unicodeScalars.contains($0))
    }
    let reserved = ["null", "true", "false", "yes", "no", "on", "off", "y", "n"]
    return isWord && !reserved.contains(text.lowercased())
  }

  /// A double-quoted YAML scalar.
  static func quoted(_ text: String) -> String {
    var result = "\""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\"": result += "\\\""
      case "\\": result += "\\\\"
      case "\n": result += "\\n"
      case "\t": result += "\\t"
      case _
      where scalar.value < 0x20 || (0x7F...0xA0).contains(scalar.value)
        || [0x2028, 0x2029, 0xFEFF].contains(scalar.value):
        result += "\\u" + String(format: "%04X", scalar.value)
      default: result.unicodeScalars.append(scalar)
      }
    }
    return result + "\""
  }
}

/// What is known of a setting without any configuration: the row of a reference table.
public struct SettingDescription: Equatable, Sendable {
  /// Dotted path: `method.start_layer`.
  public var key: String
  /// The type of the value.
  public var type: SettingType
  /// The value when none is given: nil when one must be given, `.null` for an optional setting.
  public var defaultValue: SettingValue?
  /// What the setting is for.
  public var documentation: String
  /// Which values are allowed, in words: `an integer from 1 to 12`.
  public var rule: String
  /// A value to show in messages and documentation.
  public var example: SettingValue
  /// Numeric bounds of the value or of each element.
  var bounds: Bounds<Double> = .any
  /// How many elements a list may have.
  var count: Bounds<Int> = .any

  /// Whether the configuration must give a value.
  public var isRequired: Bool { defaultValue == nil }
  /// Whether the setting may be left without a value.
  public var isOptional: Bool { defaultValue == .null }

  /// Equal when a reference table would show the same row.
  public static func == (left: Self, right: Self) -> Bool {
    left.key == right.key && left.type == right.type && left.defaultValue == right.defaultValue
      && left.documentation == right.documentation && left.rule == right.rule && left.example == right.example
  }
}

/// A mapping of settings.
public struct SectionDescription: Equatable, Sendable {
  /// Dotted path: `method`.
  public var key: String
  /// What the section is about.
  public var documentation: String
}

/// A setting, its value, and where that comes from.
public struct ResolvedSetting: Equatable, Sendable {
  /// The setting without its value.
  public var description: SettingDescription
  /// The value, checked; the default when none was given.
  public var value: SettingValue
  /// Where the value comes from.
  public var origin: SettingOrigin
  /// Origins of values that `origin` replaced, oldest first.
  public var replaced: [SettingOrigin]

  /// Dotted path.
  public var key: String { description.key }
}
