import Diagnostics
import Files
import Foundation
import StrictJSON

/// What a run or test left in its JSON file, as far as tables and comparisons need it.
struct StoredResult: Sendable {
  /// Of one test set.
  struct Score: Equatable, Sendable {
    let images: Int
    let correct: Int
    /// Percent.
    let macroF1: Double?

    /// Percent, from the counts.
    var accuracy: Double? { images > 0 ? Double(100 * correct) / Double(images) : nil }
  }

  /// What training took.
  struct Cost: Equatable, Sendable {
    /// Features and steps.
    let seconds: Double
    let peakMemoryBytes: Int
    let trainedParameters: Int
    /// Seconds of the test after training, by test set; empty for results of before they were measured.
    let testSeconds: [String: Double]
  }

  let file: String
  let version: String
  let dataset: String
  /// By test set; empty where that model was not tested.
  let zeroShot: [String: Score]
  let tuned: [String: Score]
  /// nil for a test.
  let cost: Cost?
  /// Names and values, nested names joined by dots.
  let provenance: [(key: String, value: String)]

  /// Who computed it on what, and of what task.
  let facts: [(key: String, value: String)]

  private static let largest = 16 << 20
  private static let factNames = [
    "version", "dataset", "task", "shots", "seed", "ranks", "hosts", "threads_per_rank", "accepted_differences",
  ]

  /// Reads results.json of a run, or the file of a test.
  ///
  /// Throws `Failure`: `.missingInput` where there is none, `.badData` where it is not such a file.
  init(contentsOf url: URL) throws {
    file = url.path
    let bytes = try SmallFile.bytes(
      of: url, limit: Self.largest, what: "the file of results", remedy: "name a finished run")
    let json = try JSONValue(parsing: bytes, file: file)
    guard let version = json["version"]?.string, let dataset = json["dataset"]?.string else {
      throw Self.damaged(file)
    }
    (self.version, self.dataset) = (version, dataset)
    if let test = json["test"] {
      let scores = try Self.scores(test, file)
      (zeroShot, tuned) = json["weights"]?.string == "zero-shot" ? (scores, [:]) : ([:], scores)
    } else {
      zeroShot = try Self.scores(json["zero_shot"], url.path)
      tuned = try Self.scores(json["tuned"], url.path)
    }
    facts = Self.factNames.flatMap { name in json[name].map { Self.flattened($0, name) } ?? [] }
    cost = json["training"].flatMap(Self.cost)
    provenance = json["provenance"].map { Self.flattened($0, "") } ?? []
  }

  /// An entry of the provenance.
  func entry(_ key: String) -> String? { provenance.first { $0.key == key }?.value }

  private static func scores(_ outcome: JSONValue?, _ file: String) throws -> [String: Score] {
    guard let outcome, outcome != .null else { return [:] }
    guard let members = outcome["scores"]?.members else { throw damaged(file) }
    return try Dictionary(
      uniqueKeysWithValues: members.map { member in
        guard let images = member.value["images"]?.integer, let correct = member.value["correct"]?.integer,
          (0..<1 << 50).contains(images), (0...images).contains(correct)
        else { throw damaged(file) }
        return (
          member.key, Score(images: images, correct: correct, macroF1: member.value["macro_f1"]?.number)
        )
      })
  }

  private static func cost(_ training: JSONValue) -> Cost? {
    guard let extraction = training["extraction_seconds"]?.number, let steps = training["step_seconds"]?.number,
      let memory = training["peak_memory_bytes"]?.integer, let parameters = training["trained_parameters"]?.integer
    else { return nil }
    let tests = (training["test_seconds"]?.members ?? []).compactMap { test in
      test.value.number.map { (test.key, $0) }
    }
    return Cost(
      seconds: extraction + steps, peakMemoryBytes: memory, trainedParameters: parameters,
      testSeconds: Dictionary(tests) { first, _ in first })
  }

  private static func flattened(_ value: JSONValue, _ path: String) -> [(key: String, value: String)] {
    guard let members = value.members else {
      return [(path, value.string ?? JSONText.pretty(value))]
    }
    return members.flatMap { flattened($0.value, path.isEmpty ? $0.key : "\(path).\($0.key)") }
  }

  private static func damaged(_ file: String) -> Failure {
    Failure(
      .badData, at: file, "is no file of results that skiptune wrote",
      remedy: "restore it, or move the run away and make it again")
  }
}
