/// Epochs after which training stops to be evaluated, and others say whether it goes on: trials of a sweep are judged so.
package struct TrainingRungs {
  /// Whole epochs that are done then.
  package var epochs: Set<Int>
  /// Asked on rank 0, perhaps again for the same rung by a run that goes on; where it says no, the state is saved and the run
  /// ends as one that was asked to stop.
  package var goesOn: (RungResult) throws -> Bool

  /// Rungs, and who judges.
  package init(epochs: Set<Int>, goesOn: @escaping (RungResult) throws -> Bool) {
    (self.epochs, self.goesOn) = (epochs, goesOn)
  }
}

/// What a run has come to at a rung.
package struct RungResult: Sendable {
  /// Whole epochs done.
  package let epoch: Int
  /// Steps done.
  package let step: Int
  /// `accuracy.base`, `correct.base`, `images.base`, `macro_f1.base` and the like, `harmonic_mean`, and the last step's `loss`.
  ///
  /// Of the run's own data set; in percent where they are no counts.
  package let metrics: [String: Double]

  init(_ evaluation: CheckpointEvaluation, loss: Double?) {
    (epoch, step) = (evaluation.epoch, evaluation.step)
    var metrics: [String: Double] = [:]
    let own = evaluation.tests.first?.dataset
    for test in evaluation.tests where test.dataset == own {
      metrics["accuracy.\(test.set)"] = test.accuracy
      metrics["macro_f1.\(test.set)"] = test.macroF1
      metrics["correct.\(test.set)"] = Double(test.correct)
      metrics["images.\(test.set)"] = Double(test.images)
    }
    metrics["harmonic_mean"] = evaluation.harmonicMeans.first { $0.dataset == own }?.accuracy
    metrics["loss"] = loss
    self.metrics = metrics
  }
}
