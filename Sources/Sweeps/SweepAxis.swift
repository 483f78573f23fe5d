import Configuration
import Diagnostics
import Reporting

/// A setting and the values that a sweep gives it.
struct SweepAxis: Equatable {
  /// The key by which a trial names its data set.
  static let dataKey = "data"
  /// Values of a setting beyond this many are taken for a mistake.
  static let mostValues = 10_000

  let key: String
  /// Each in YAML, on one line, and each once.
  let values: [String]
  /// Where it is written.
  let place: String
}

extension SweepAxis {
  /// Reads what a grid says of a setting: a value, a list of values, or a range.
  ///
  /// Throws `Failure(.usage)` with file and line.
  init(_ key: String, _ element: ConfigurationElement, _ type: SettingType) throws {
    self.key = key
    place = element.origin.description
    switch element.content {
    case .scalar: values = [element.yaml]
    case .list(let elements): values = try Self.values(key, elements, type, place)
    case .mapping: values = try SweepRange(key, element).values(areIntegers: type == .integer).distinct()
    }
  }

  private static func values(
    _ key: String, _ elements: [ConfigurationElement], _ type: SettingType, _ place: String
  ) throws -> [String] {
    guard !elements.isEmpty else {
      throw Failure(.usage, at: place, "\(key) has no values", remedy: "give it some, or leave it out")
    }
    guard elements.count <= mostValues else {
      throw Failure(
        .usage, at: place, "\(key) has \(elements.count) values, more than \(mostValues)", remedy: "give it fewer")
    }
    if case .list = type, let single = elements.first(where: { $0.isSingle }) {
      throw Failure(
        .usage, at: place, "each value of \(key) is a list, \(single.mention) is none",
        remedy: "write lists within the list, such as [\(SettingValue.list([.text("...")]).yaml)]")
    }
    let values = elements.map(\.yaml)
    var seen: Set<String> = []
    if let double = values.first(where: { !seen.insert($0).inserted }) {
      throw Failure(.usage, at: place, "\(key) has the value \(double) twice", remedy: "leave one of them out")
    }
    return values
  }
}
