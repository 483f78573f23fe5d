import Foundation

/// Results as JSON with sorted `snake_case` keys.
public enum ReportJSON {
  /// A file: indented, and ended by a new line.
  public static func document(_ value: some Encodable) throws -> Data {
    try encoder(.prettyPrinted).encode(value) + Data("\n".utf8)
  }

  /// One line of a file, without its end.
  public static func line(_ value: some Encodable) throws -> Data { try encoder([]).encode(value) }

  private static func encoder(_ more: JSONEncoder.OutputFormatting) -> JSONEncoder {
    let encoder = JSONEncoder()
    encoder.keyEncodingStrategy = .convertToSnakeCase
    encoder.outputFormatting = more.union([.sortedKeys, .withoutEscapingSlashes])
    return encoder
  }
}
