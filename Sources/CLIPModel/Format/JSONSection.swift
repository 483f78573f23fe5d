import Diagnostics
import Files
import Foundation
import StrictJSON

/// An object of a configuration file, read key by key with defaults, ranges, and failures that name file and key.
struct JSONSection {
  /// The file, for messages.
  let file: String
  /// Keys that lead to this object, for messages.
  let path: [String]
  private let members: JSONValue

  /// The object itself; throws `.badData` when `value` is something else.
  init(_ value: JSONValue, file: String, path: [String] = []) throws {
    self.file = file
    self.path = path
    self.members = value
    guard value.members != nil else { throw failure(path.last ?? "", "must be an object", keyIsLast: true) }
  }

  /// The object that a file of at most `limit` bytes holds.
  ///
  /// Throws `.missingInput` when there is no such file, `.badData` when it holds something else.
  init(contentsOf url: URL, limit: Int) throws {
    let bytes = try SmallFile.bytes(of: url, limit: limit)
    try self.init(JSONValue(parsing: bytes, file: url.path), file: url.path)
  }

  /// The value of a key, or nil when it is absent; null counts as a value.
  subscript(_ key: String) -> JSONValue? { members[key] }

  /// All keys, in the order of the file.
  var keys: [String] { members.members?.map(\.key) ?? [] }

  /// An object within this one; an empty one when the key is absent or null.
  func section(_ key: String) throws -> JSONSection {
    let value = self[key] ?? .null
    return try JSONSection(value == .null ? .object([]) : value, file: file, path: path + [key])
  }

  func integer(_ key: String, default standard: Int, in range: ClosedRange<Int>) throws -> Int {
    guard let value = self[key] else { return standard }
    guard let integer = value.integer, range.contains(integer) else {
      throw failure(key, "must be an integer from \(range.lowerBound) to \(range.upperBound)")
    }
    return integer
  }

  /// A size given as one integer or as a list of two equal ones.
  func side(_ key: String, default standard: Int, in range: ClosedRange<Int>) throws -> Int {
    guard let sides = self[key]?.elements else { return try integer(key, default: standard, in: range) }
    guard sides.count == 2, sides[0] == sides[1], let side = sides[0].integer, range.contains(side) else {
      throw failure(key, "must be two equal integers from \(range.lowerBound) to \(range.upperBound)")
    }
    return side
  }

  func number(_ key: String, default standard: Double) throws -> Double {
    guard let value = self[key] else { return standard }
    guard let number = value.number else { throw failure(key, "must be a number") }
    return number
  }

  func string(_ key: String, default standard: String) throws -> String {
    guard let value = self[key] else { return standard }
    guard let string = value.string else { throw failure(key, "must be a string") }
    return string
  }

  /// A failure at a key of this object.
  func failure(_ key: String, _ problem: String, remedy: String? = nil) -> Failure {
    failure(key, problem, remedy: remedy, keyIsLast: false)
  }

  private func failure(_ key: String, _ problem: String, remedy: String? = nil, keyIsLast: Bool) -> Failure {
    let keys = (keyIsLast ? path : path + [key]).joined(separator: ".")
    return Failure(.badData, at: file, keys.isEmpty ? problem : "\(keys) \(problem)", remedy: remedy)
  }
}
