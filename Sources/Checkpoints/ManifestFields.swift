import Diagnostics
import ShardFiles
import StrictJSON

/// A JSON value of a manifest, and where it stands, for messages.
struct ManifestFields {
  let value: JSONValue
  private let path: String
  /// The file.
  let place: String

  init(_ value: JSONValue, _ path: String, _ place: String) {
    self.value = value
    self.path = path
    self.place = place
  }

  func refusal(_ problem: String) -> Failure {
    Failure(.badData, at: place, "\(path): \(problem)", remedy: "use another checkpoint")
  }

  private func require<Value>(_ value: Value?, _ name: String, _ what: String) throws -> Value {
    guard let value else { throw refusal("\(name) must be \(what)") }
    return value
  }

  func integer(_ key: String) throws -> Int { try require(value[key]?.integer, key, "a whole number") }

  func string(_ key: String) throws -> String { try require(value[key]?.string, key, "a string") }

  func hash(_ key: String) throws -> Hash128 {
    try require(Hash128(hexadecimal: try string(key)), key, "a hash of 32 hexadecimal digits")
  }

  func number(_ key: String) throws -> Double { try number(value[key] ?? .bool(false), key) }

  /// A number; null stands for one that is not finite.
  func number(_ value: JSONValue, _ name: String) throws -> Double {
    if case .null = value { return .nan }
    return try require(value.number, name, "a number")
  }

  func members(_ key: String) throws -> [JSONMember] { try require(value[key]?.members, key, "an object") }

  func list(_ key: String) throws -> [ManifestFields] {
    try require(value[key]?.elements, key, "a list").enumerated().map {
      ManifestFields($1, "\(path), \(key) \($0)", place)
    }
  }

  func integers(_ key: String) throws -> [Int] {
    try ManifestFields(value[key] ?? .null, "\(path), \(key)", place).integers()
  }

  func integers() throws -> [Int] {
    try require(value.elements, "it", "a list").map { try require($0.integer, "each element", "a whole number") }
  }
}
