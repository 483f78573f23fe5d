import Diagnostics
import Files
import Foundation
import StrictJSON

extension TrialOutcome {
  private static let largest = 1 << 20
  /// Counts that may be true.
  private static let counts = 0..<1 << 53

  /// The file's text.
  var json: Data {
    func number(_ value: Double?) -> JSONValue { value.flatMap { $0.isFinite ? .number($0) : nil } ?? .null }
    func count(_ value: Int?) -> JSONValue { value.map { .integer($0) } ?? .null }
    let document = JSONValue.object([
      JSONMember("trial", .integer(trial.number)), JSONMember("name", .string(trial.name)),
      JSONMember("settings", trial.settings.json), JSONMember("state", .string(state.rawValue)),
      JSONMember("attempts", .integer(attempts)), JSONMember("epochs", .integer(epochs)),
      JSONMember("steps", .integer(steps)),
      JSONMember(
        "metrics",
        .object(
          metrics.filter { $0.value.isFinite }.sorted { $0.key < $1.key }.map {
            JSONMember($0.key, Self.exact($0.value))
          })),
      JSONMember("seconds", number(seconds)), JSONMember("test_seconds", number(testSeconds)),
      JSONMember("peak_memory_bytes", count(peakMemoryBytes)), JSONMember("sent_bytes", count(sentBytes)),
      JSONMember("ranks", count(ranks)), JSONMember("problem", problem.map { .string($0) } ?? .null),
    ])
    return Data((JSONText.pretty(document) + "\n").utf8)
  }

  /// Counts of images come out without a fraction.
  private static func exact(_ value: Double) -> JSONValue {
    Int(exactly: value).map { .integer($0) } ?? .number(value)
  }

  /// Reads the file of a trial's outcome.
  ///
  /// Throws `Failure`: `.missingInput` where there is none, `.badData` where it is not such a file.
  public init(contentsOf url: URL) throws {
    let bytes = try SmallFile.bytes(of: url, limit: Self.largest, what: "the outcome", remedy: "run the trial again")
    var fields = try StoredFields(JSONValue(parsing: bytes, file: url.path), file: url.path)
    let trial = try Trial(&fields)
    let state = try fields.take("state") { $0.string.flatMap(State.init) }
    self.init(
      trial, state, attempts: try fields.take("attempts", Self.count), epochs: try fields.take("epochs", Self.count),
      steps: try fields.take("steps", Self.count), metrics: try fields.take("metrics", Self.numbers),
      seconds: try fields.takeOptional("seconds", Self.seconds),
      testSeconds: try fields.takeOptional("test_seconds", Self.seconds),
      peakMemoryBytes: try fields.takeOptional("peak_memory_bytes", Self.count),
      sentBytes: try fields.takeOptional("sent_bytes", Self.count),
      ranks: try fields.takeOptional("ranks", Self.count), problem: try fields.takeOptional("problem", \.string))
    try fields.finish()
  }

  private static func count(_ value: JSONValue) -> Int? { value.integer.flatMap { counts.contains($0) ? $0 : nil } }

  private static func seconds(_ value: JSONValue) -> Double? { value.number.flatMap { $0 >= 0 ? $0 : nil } }

  private static func numbers(_ value: JSONValue) -> [String: Double]? {
    guard let members = value.members else { return nil }
    let numbers = members.compactMap { member in member.value.number.map { (member.key, $0) } }
    return numbers.count == members.count ? Dictionary(numbers) { first, _ in first } : nil
  }
}

extension Trial {
  /// Takes `trial`, `name` and `settings`, and throws where they do not go together.
  init(_ fields: inout StoredFields) throws {
    let number = try fields.take("trial") {
      $0.integer.flatMap { (1...SweepOptions.mostTrials).contains($0) ? $0 : nil }
    }
    let name = try fields.take("name", \.string)
    let settings = try fields.take("settings", \.settings)
    self.init(number: number, settings: settings)
    guard self.name == name else { throw fields.damaged("name") }
  }
}

/// Members of an object that skiptune wrote, each of which must be taken.
struct StoredFields {
  private let file: String
  private var members: [String: JSONValue]

  init(_ value: JSONValue, file: String) throws {
    self.file = file
    members = [:]
    guard let found = value.members else { throw damaged("the object") }
    members = Dictionary(found.map { ($0.key, $0.value) }) { first, _ in first }
  }

  /// A member that must be there and be what `convert` takes.
  mutating func take<Value>(_ key: String, _ convert: (JSONValue) -> Value?) throws -> Value {
    guard let value = members.removeValue(forKey: key).flatMap(convert) else { throw damaged(key) }
    return value
  }

  /// A member that must be there, and may be null.
  mutating func takeOptional<Value>(_ key: String, _ convert: (JSONValue) -> Value?) throws -> Value? {
    if members[key] == .null {
      members[key] = nil
      return nil
    }
    return try take(key, convert)
  }

  /// Nothing may be left.
  func finish() throws {
    if let key = members.keys.min() { throw damaged(key) }
  }

  func damaged(_ key: String) -> Failure {
    Failure(
      .badData, at: file, "is not as skiptune wrote it: \(quoted(key)) is missing, unknown or wrong",
      remedy: "restore the file, or delete it")
  }
}
