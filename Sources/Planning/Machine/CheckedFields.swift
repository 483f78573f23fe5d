import Diagnostics
import StrictJSON

/// An object of a JSON file whose values are judged as they are read; failures name file and key.
struct CheckedFields {
  private let value: JSONValue
  private let file: String
  private let path: String

  init(_ value: JSONValue, file: String, path: String = "") {
    self.value = value
    self.file = file
    self.path = path
  }

  func failure(_ key: String, _ problem: String) -> Failure {
    Failure(.badData, at: file, "\(name(key)) \(problem)", remedy: "give a file that skiptune wrote")
  }

  private func name(_ key: String) -> String { path.isEmpty ? key : "\(path).\(key)" }

  /// The object under a key, or nil where there is none.
  func optionalObject(_ key: String) throws -> CheckedFields? {
    guard let object = value[key], object != .null else { return nil }
    guard object.members != nil else { throw failure(key, "must be an object") }
    return CheckedFields(object, file: file, path: name(key))
  }

  func object(_ key: String) throws -> CheckedFields {
    guard let object = try optionalObject(key) else { throw failure(key, "is missing") }
    return object
  }

  func list(_ key: String) throws -> [CheckedFields] {
    guard let elements = value[key]?.elements else { throw failure(key, "must be a list") }
    return elements.enumerated().map { CheckedFields($1, file: file, path: "\(name(key))[\($0)]") }
  }

  func texts(_ key: String) throws -> [String] {
    let texts = value[key]?.elements?.map(\.string)
    guard let texts, !texts.contains(nil) else { throw failure(key, "must be a list of texts") }
    return texts.compactMap { $0 }
  }

  func text(_ key: String) throws -> String {
    guard let text = value[key]?.string else { throw failure(key, "must be a text") }
    return text
  }

  func flag(_ key: String) throws -> Bool {
    guard let flag = value[key]?.bool else { throw failure(key, "must be true or false") }
    return flag
  }

  func integer(_ key: String, from least: Int, to most: Int = 1 << 48) throws -> Int {
    guard let integer = value[key]?.integer, (least...most).contains(integer) else {
      throw failure(key, "must be a whole number from \(least) on")
    }
    return integer
  }

  func positive(_ key: String) throws -> Double {
    guard let number = try optionalPositive(key) else { throw failure(key, "is missing") }
    return number
  }

  func optionalPositive(_ key: String) throws -> Double? {
    guard let found = value[key], found != .null else { return nil }
    guard let number = found.number, number > 0, number.isFinite else { throw failure(key, "must be above 0") }
    return number
  }
}
