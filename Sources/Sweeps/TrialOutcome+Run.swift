import Diagnostics
import Files
import Foundation
import StrictJSON

extension TrialOutcome {
  private static let largestResults = 16 << 20

  /// What a finished run left in `results.json` of its run directory.
  ///
  /// Throws `Failure`: `.missingInput` where there is none, `.badData` where it is not such a file.
  public init(_ trial: Trial, finishedIn folder: URL, attempts: Int) throws {
    let file = folder.appending(path: "results.json")
    let bytes = try SmallFile.bytes(
      of: file, limit: Self.largestResults, what: "the file of results", remedy: "run the trial again")
    let json = try JSONValue(parsing: bytes, file: file.path)
    guard let cost = json["training"], let epochs = cost["epochs"]?.integer, let steps = cost["steps"]?.integer else {
      throw Failure(
        .badData, at: file.path, "is no file of results that skiptune wrote", remedy: "run the trial again")
    }
    var metrics = Self.metrics(json["tuned"])
    for (key, value) in Self.metrics(json["zero_shot"]) { metrics["zero_shot.\(key)"] = value }
    if let loss = cost["final_loss"]?.number { metrics["loss"] = loss }
    let parts = ["extraction_seconds", "step_seconds"].compactMap { cost[$0]?.number }
    let tests = cost["test_seconds"]?.members?.compactMap(\.value.number)
    self.init(
      trial, .finished, attempts: attempts, epochs: epochs, steps: steps, metrics: metrics,
      seconds: parts.isEmpty ? nil : parts.reduce(0, +), testSeconds: tests.map { $0.reduce(0, +) },
      peakMemoryBytes: cost["peak_memory_bytes"]?.integer,
      sentBytes: cost["sent_bytes_per_step"]?.number.flatMap { Int(exactly: ($0 * Double(steps)).rounded()) },
      ranks: json["ranks"]?.integer)
  }

  /// The numbers of a test by name; none where that model was not tested.
  private static func metrics(_ test: JSONValue?) -> [String: Double] {
    var metrics: [String: Double] = [:]
    for member in test?["scores"]?.members ?? [] {
      for key in ["accuracy", "macro_f1", "images", "correct"] {
        if let value = member.value[key]?.number { metrics["\(key).\(member.key)"] = value }
      }
    }
    if let mean = test?["harmonic_mean"]?.number { metrics["harmonic_mean"] = mean }
    return metrics
  }
}
