import Foundation
import Reporting

/// What a test found, with exact counts.
public struct EvaluationResults: Codable, Sendable, Equatable {
  var version: String
  var dataset: String
  var task: String
  /// Folder of the base model.
  var model: String
  /// `zero-shot`, `delta` or `checkpoint`.
  var weights: String
  /// The delta file or checkpoint.
  var source: String?
  var ranks: Int
  var threadsPerRank: Int
  /// Weights, data, prompts and precision.
  var provenance: ResultProvenance
  var test: RunResults.TestOutcome
  /// Seconds that it took, by test set.
  var testSeconds: [String: Double]
}

extension EvaluationResults {
  /// Sorted, indented JSON with `snake_case` keys.
  public func json() throws -> Data { try ReportJSON.document(self) }

  /// Accuracy and macro-F1 in percent, one row per test set.
  public var table: TextTable {
    var table = TextTable(columns: ["test", "images", "correct", "accuracy", "macro-F1"])
    for name in ["base", "new", "all"] {
      guard let score = test.scores[name] else { continue }
      table.append([
        name, Readable.count(Int(score.images)), Readable.count(Int(score.correct)), Readable.percent(score.accuracy),
        Readable.percent(score.macroF1),
      ])
    }
    if let mean = test.harmonicMean { table.append(["H", nil, nil, Readable.percent(mean), nil]) }
    return table
  }
}
