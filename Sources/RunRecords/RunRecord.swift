import Diagnostics
import Files
import Foundation
import StrictJSON

/// What a run directory tells of its run, finished or not.
public struct RunRecord: Sendable {
  /// Outcome of a test on one test set.
  public struct Score: Equatable, Sendable {
    /// Images tested.
    public var images: Int
    /// Images whose class was predicted.
    public var correct: Int
    /// Percent, over the classes that occur.
    public var macroF1: Double?
    /// Steps of training before the test; nil where it is not known.
    public var step: Int?

    /// Percent, from the counts.
    public var accuracy: Double? { images > 0 ? 100 * Double(correct) / Double(images) : nil }
  }

  /// A model that was tested: as it came, or as it was trained.
  public enum TestName: String, CaseIterable, Sendable {
    case zeroShot = "zero-shot"
    case tuned
  }

  /// What stands for the run in headings, unless several runs need longer names.
  public var name: String
  /// The run directory, as it was given.
  public let path: String
  /// Whether the results are there.
  public let isFinished: Bool
  /// Steps of metrics.jsonl, in order.
  public let steps: [StepRecord]
  /// By model and test set.
  public let scores: [TestName: [String: Score]]
  /// Classes, confusions and predictions, of the tests that left them.
  public let details: [TestName: TestDetails]
  /// Settings with the origins of their values; empty where there is no config.resolved.yaml.
  public let settings: [SettingRecord]
  /// results.json; nil while there is none.
  package let results: JSONValue?

  /// Counts that may be true; sums of them do not overflow.
  static let counts = 0..<1 << 40
  private static let largestResults = 16 << 20
  private static let largestMetrics = 4 << 30

  /// Reads a run directory.
  ///
  /// Throws `Failure`: `.missingInput` where it is none, `.badData` where a file in it is damaged.
  public init(contentsOf folder: String) throws {
    let url = URL(fileURLWithPath: folder)
    func bytes(_ name: String, limit: Int) throws -> [UInt8]? {
      let file = url.appending(path: name)
      guard FileManager.default.fileExists(atPath: file.path) else { return nil }
      return try SmallFile.bytes(of: file, limit: limit)
    }
    guard let configuration = try bytes("config.resolved.yaml", limit: Self.largestResults) else {
      throw Failure(
        .missingInput, at: folder, "is no run directory: it holds no config.resolved.yaml",
        remedy: "name the run_dir of a training")
    }
    settings = SettingRecord.all(in: String(decoding: configuration, as: UTF8.self))
    path = folder
    name = url.standardizedFileURL.lastPathComponent
    results = try bytes("results.json", limit: Self.largestResults).map {
      try JSONValue(parsing: $0, file: url.appending(path: "results.json").path)
    }
    isFinished = results != nil
    let metrics = try MetricLines(
      try bytes("metrics.jsonl", limit: Self.largestMetrics) ?? [], file: url.appending(path: "metrics.jsonl").path)
    steps = metrics.steps
    scores = Self.scores(results, metrics)
    details = try Dictionary(
      uniqueKeysWithValues: TestName.allCases.compactMap { test in
        try TestDetails(contentsOf: url.appending(path: "tests/\(test.rawValue)")).map { (test, $0) }
      })
  }

  /// A setting's value as YAML; nil where there is no such setting.
  public func setting(_ key: String) -> String? {
    settings.first { $0.key == key }?.value.trimmingCharacters(in: CharacterSet(charactersIn: "\"'"))
  }

  /// Test sets of which something is known: base before new.
  public var testSets: [String] { Set(scores.values.flatMap(\.keys)).sorted() }

  /// Harmonic mean of base and new accuracy, percent; nil unless both are there.
  public func harmonicMean(_ test: TestName) -> Double? {
    guard let base = scores[test]?["base"]?.accuracy, let new = scores[test]?["new"]?.accuracy else { return nil }
    return base + new == 0 ? 0 : 2 * base * new / (base + new)
  }

  private static func scores(_ results: JSONValue?, _ metrics: MetricLines) -> [TestName: [String: Score]] {
    var scores = metrics.scores
    for (test, key) in [(TestName.zeroShot, "zero_shot"), (.tuned, "tuned")] {
      for member in results?[key]?["scores"]?.members ?? [] {
        guard let images = member.value["images"]?.integer, let correct = member.value["correct"]?.integer,
          counts.contains(images), (0...images).contains(correct)
        else {
          continue
        }
        scores[test, default: [:]][member.key] = Score(
          images: images, correct: correct, macroF1: member.value["macro_f1"]?.number,
          step: test == .zeroShot ? 0 : results?["training"]?["steps"]?.integer)
      }
    }
    return scores
  }
}
