import Evaluation
import Foundation
import Reporting

/// What the tests of a job found, with exact counts; numbers other than counts are percent.
public struct JobResults: Codable, Sendable, Equatable {
  /// Whether all that was asked for is in the results.
  enum State: String, Codable, Sendable {
    /// All images were tested.
    case finished
    /// Some were not: the job was stopped or has failed.
    case partial
    /// The data set was left out.
    case missing
  }

  /// A class of a test set.
  struct ClassResult: Codable, Sendable, Equatable {
    var name: String
    var images: Int64
    var correct: Int64
    /// Nil of a class without images, which counts in no mean.
    var accuracy: Double?
    var f1: Double?
  }

  /// An image that could not be read.
  struct SkippedImage: Codable, Sendable, Equatable {
    var path: String
    var problem: String
  }

  /// One model on the classes of one test set.
  struct Test: Codable, Sendable, Equatable {
    var checkpoint: String
    /// `zero-shot`, `delta` or `checkpoint`.
    var weights: String
    var dataset: String
    var task: String
    /// `base`, `new` or `all`.
    var set: String
    var state: State
    var template: String
    /// Hash of all that the counts depend on.
    var identity: String
    /// Images of the test set; those that were tested or skipped; those that were tested.
    var total: Int
    var done: Int
    var images: Int64
    var correct: Int64
    var top1: Double?
    var top5: Double?
    var macroF1: Double?
    /// Expected calibration error, 15 bins.
    var calibrationError: Double?
    var skipped: [SkippedImage]
    var perClass: [ClassResult]
  }

  /// Harmonic mean of base and new accuracy of one model on one data set.
  struct Harmonic: Codable, Sendable, Equatable {
    var checkpoint: String
    var dataset: String
    var accuracy: Double
  }

  /// Means of one model over the data sets of a task that are finished.
  struct Average: Codable, Sendable, Equatable {
    var checkpoint: String
    var task: String
    var dataSets: Int
    var ofDataSets: Int
    /// By test set.
    var top1: [String: Double]
    var macroF1: [String: Double]
    /// Of the means of base and new.
    var harmonicMean: Double?
  }

  /// A data set that was left out.
  struct Missing: Codable, Sendable, Equatable {
    var dataset: String
    var problem: String
  }

  var version: String
  var state: State
  var model: String
  var ranks: Int
  var threadsPerRank: Int
  var precision: String
  var tests: [Test]
  var harmonicMeans: [Harmonic]
  var averages: [Average]
  var missing: [Missing]
}

extension JobResults {
  /// Sorted, indented JSON with `snake_case` keys.
  public func json() throws -> Data { try ReportJSON.document(self) }

  /// Whether everything was tested.
  public var isFinished: Bool { state == .finished }
}

extension JobResults.Test {
  /// What is known of a test.
  init(_ test: JobTest, _ weights: TestedWeights, _ ledger: EvaluationLedger, at index: Int) {
    let counts = ledger.counts(index)
    let matrix = counts.matrix
    func percent(_ share: Double?) -> Double? { share.map { 100 * $0 } }
    let done = ledger.knownCount(index)
    self.init(
      checkpoint: weights.name, weights: weights.words, dataset: test.set.dataset.name, task: test.task,
      set: test.set.name, state: done == test.items.count ? .finished : .partial, template: test.template,
      identity: test.identity, total: test.items.count, done: done, images: matrix.total, correct: matrix.correct,
      top1: percent(matrix.accuracy), top5: percent(counts.topFiveAccuracy), macroF1: percent(matrix.macroF1),
      calibrationError: percent(counts.calibration.expectedError),
      skipped: ledger.outcomes[index].flatMap(\.skipped).map {
        JobResults.SkippedImage(path: test.items[$0.index].path, problem: $0.problem)
      },
      perClass: test.classNames.enumerated().map { JobResults.ClassResult(matrix, label: $0, name: $1) })
  }
}

extension JobResults.ClassResult {
  init(_ matrix: ConfusionMatrix, label: Int, name: String) {
    let images = (0..<matrix.classCount).reduce(Int64(0)) { $0 + matrix[label, $1] }
    let predicted = (0..<matrix.classCount).reduce(Int64(0)) { $0 + matrix[$1, label] }
    let correct = matrix[label, label]
    self.init(
      name: name, images: images, correct: correct,
      accuracy: images == 0 ? nil : 100 * Double(correct) / Double(images),
      f1: images == 0 ? nil : 200 * Double(correct) / Double(images + predicted))
  }
}
