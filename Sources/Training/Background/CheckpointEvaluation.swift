import Foundation
import Reporting

/// What the evaluation of one checkpoint found, with exact counts; numbers other than counts are percent.
struct CheckpointEvaluation: Codable, Sendable, Equatable {
  /// One test set of a data set.
  struct Score: Codable, Sendable, Equatable {
    var dataset: String
    var task: String
    /// `base`, `new` or `all`.
    var set: String
    var images: Int64
    var correct: Int64
    var accuracy: Double?
    var top5: Double?
    var macroF1: Double?
    var calibrationError: Double?
    var skipped: Int
  }

  /// Harmonic mean of base and new accuracy.
  struct Harmonic: Codable, Sendable, Equatable {
    var dataset: String
    var accuracy: Double
  }

  /// Steps that training had done.
  var step: Int
  /// Whole epochs of them.
  var epoch: Int
  /// Name of its folder.
  var checkpoint: String
  /// Of the manifest, and so of everything.
  var manifestHash: String
  /// The run's own data set first.
  var tests: [Score]
  var harmonicMeans: [Harmonic]
  /// That it took on the ranks that did it.
  var seconds: Double

  /// What the best checkpoint is chosen by: of the run's own data set, on the classes that are trained.
  ///
  /// Nil for a number that is not known.
  func value(_ metric: CheckpointSettings.Metric) -> Double? {
    guard let own = tests.first else { return nil }
    let trained = tests.first { $0.dataset == own.dataset && $0.set != "new" }
    switch metric {
    case .accuracy: return trained?.accuracy
    case .macroF1: return trained?.macroF1
    case .harmonicMean: return harmonicMeans.first { $0.dataset == own.dataset }?.accuracy
    case .loss, .epochLoss: return nil
    }
  }
}

extension CheckpointEvaluation {
  /// What a ledger knows of a checkpoint's tests, all of which are finished.
  init(_ place: CheckpointPosition, hash: String, _ ledger: EvaluationLedger, seconds: Double) {
    let results = ledger.tests.indices.map {
      JobResults.Test(ledger.tests[$0], .checkpoint(path: place.name), ledger, at: $0)
    }
    self.init(
      step: place.step, epoch: place.epoch, checkpoint: place.name, manifestHash: hash,
      tests: results.map { test in
        Score(
          dataset: test.dataset, task: test.task, set: test.set, images: test.images, correct: test.correct,
          accuracy: test.top1, top5: test.top5, macroF1: test.macroF1, calibrationError: test.calibrationError,
          skipped: test.skipped.count)
      },
      harmonicMeans: JobResults.harmonicMeans(results).map { Harmonic(dataset: $0.dataset, accuracy: $0.accuracy) },
      seconds: seconds)
  }

  /// Lines of metrics.jsonl: one per test set, and one per harmonic mean.
  var records: [MetricRecord] {
    let place: (MetricRecord) -> MetricRecord = { record in
      var record = record
      (record["step"], record["epoch"]) = (.integer(step), .integer(epoch))
      return record
    }
    func number(_ value: Double?) -> MetricValue { value.map { .double($0) } ?? .null }
    let scores: [MetricRecord] = tests.map { test in
      [
        "test": "checkpoint", "data_set": .text(test.dataset), "classes": .text(test.set),
        "images": .integer(Int(test.images)), "correct": .integer(Int(test.correct)),
        "accuracy": number(test.accuracy), "top5": number(test.top5), "macro_f1": number(test.macroF1),
        "calibration_error": number(test.calibrationError), "skipped": .integer(test.skipped),
      ]
    }
    let means: [MetricRecord] = harmonicMeans.map {
      ["test": "checkpoint", "data_set": .text($0.dataset), "harmonic_mean": .double($0.accuracy)]
    }
    return (scores + means).map(place)
  }

  /// `accuracy base 96.2%, new 94.3%, H 95.2%; EuroSAT all 71.3%`.
  var words: String {
    tests.map(\.dataset).distinct().enumerated().map { index, name in
      let scores = tests.filter { $0.dataset == name }.map { "\($0.set) \(Readable.fixed($0.accuracy ?? .nan, 2))%" }
      let means = harmonicMeans.filter { $0.dataset == name }.map { "H \(Readable.fixed($0.accuracy, 2))%" }
      return (index == 0 ? "accuracy" : name) + " " + (scores + means).joined(separator: ", ")
    }.joined(separator: "; ")
  }

  /// As one rank tells another, and as a line of `evaluations.jsonl`.
  func encoded() throws -> Data { try ReportJSON.line(self) }

  /// Reads what `encoded` wrote; throws for anything else.
  init(encoded data: Data) throws {
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    self = try decoder.decode(Self.self, from: data)
  }
}

/// A checkpoint of this run, and when training saved it.
struct CheckpointPosition: Equatable, Sendable {
  var step: Int
  /// Whole epochs done.
  var epoch: Int
  /// Name of its folder.
  var name: String
}
