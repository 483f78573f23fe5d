import Evaluation
import Foundation
import Reporting

/// `results.json`: what a finished run found, with exact counts.
public struct RunResults: Codable, Sendable, Equatable {
  /// Accuracy on one set of classes.
  struct Score: Codable, Sendable, Equatable {
    var images: Int64
    var correct: Int64
    /// Percent.
    var accuracy: Double?
    /// Percent, over the classes that occur.
    var macroF1: Double?
    /// Images that could not be read; nil for none.
    var skipped: Int64?
  }

  /// One test: a score per test set (`base` and `new`, or `all`).
  struct TestOutcome: Codable, Sendable, Equatable {
    var scores: [String: Score]
    /// Harmonic mean of base and new accuracy, percent.
    var harmonicMean: Double?
  }

  /// What training took.
  struct Cost: Codable, Sendable, Equatable {
    var epochs: Int
    var steps: Int
    var finalLoss: Double?
    var trainedParameters: Int
    var totalParameters: Int
    /// Bytes that each rank handed to reductions per step, as counted, by purpose: `gradients`, `class_scores`, `losses`.
    var reducedBytesPerStep: [String: Int]
    /// Bytes that a step sent to other hosts, as rank 0 counted them: what a host's interface counts where it has one rank.
    var sentBytesPerStep: Double
    /// Seconds that rank 0 spent in a step communicating, waiting for others, adding up and updating, by purpose.
    var exchangeSecondsPerStep: [String: Double]?
    /// Bytes of gradients if every parameter were trained.
    var fullFineTuningBytesPerStep: Int
    /// Steps that were left out because loss or gradients were not finite.
    var skippedSteps: Int
    var extractionSeconds: Double
    var stepSeconds: Double
    var medianStepSeconds: Double?
    /// Seconds that the last test took, by test set: that of the tuned model, or of the untuned where nothing is trained.
    var testSeconds: [String: Double]?
    /// Largest resident memory of any rank.
    var peakMemoryBytes: Int64
  }

  var version: String
  var dataset: String
  var task: String
  var shots: Int?
  var seed: Int
  /// As `method.kind` names it.
  var method: String
  /// First trained block; nil for methods that train none.
  var startLayer: Int?
  var ranks: Int
  var hosts: Int
  var threadsPerRank: Int
  /// The checkpoint whose parameters the run began with; nil for the untuned model.
  var initialCheckpoint: InitialCheckpoint?
  /// In which the run was changed between two starts, and after how many steps.
  var acceptedDifferences: [String]
  var zeroShot: TestOutcome?
  var tuned: TestOutcome?
  /// Of checkpoints during training, ascending steps; nil for none.
  var evaluations: [CheckpointEvaluation]?
  /// By `checkpoint.keep_best`, where that is a number of evaluations.
  var best: BestCheckpoint?
  /// Whether training ended as its checkpoints got no better; nil where it had no such rule.
  var stoppedEarly: Bool?
  var training: Cost
  /// Nil where no step was taken.
  var workload: RunWorkload?
  /// Views of images whose features were kept from before; nil where none were looked for.
  var keptFeatures: KeptFeatureCounts?
  var checkpoints: CheckpointCounts
  /// Weights, data, prompts and precision.
  var provenance: ResultProvenance
}

extension RunResults.Score {
  /// Percentages from counts.
  init(_ counts: TestCounts) {
    let matrix = counts.matrix
    self.init(
      images: matrix.total, correct: matrix.correct, accuracy: matrix.accuracy.map { 100 * $0 },
      macroF1: matrix.macroF1.map { 100 * $0 }, skipped: counts.skipped == 0 ? nil : counts.skipped)
  }
}

extension RunResults.TestOutcome {
  /// Adds the harmonic mean where there are base and new classes.
  init(_ counts: [String: TestCounts]) {
    scores = counts.mapValues(RunResults.Score.init)
    if let base = scores["base"]?.accuracy, let new = scores["new"]?.accuracy {
      harmonicMean = Evaluation.harmonicMean(base, new)
    }
  }
}

extension RunResults {
  /// Sorted, indented JSON with `snake_case` keys.
  public func json() throws -> Data { try ReportJSON.document(self) }
}
