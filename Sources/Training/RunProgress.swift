import StrictJSON

/// How far a run has come, and what it found on the way: what a checkpoint keeps beside parameters and momentum.
struct RunProgress: Sendable {
  var position = TrainingPosition()
  /// Of the last step.
  var loss: Double?
  /// Over the steps of the epoch that was left in the middle, or at the end of one of all its steps.
  var epochLoss = RunningMean()
  /// Of the untuned model, so that a resumed run can report it.
  var zeroShot: RunResults.TestOutcome?

  /// Numbers to choose a checkpoint by.
  var metrics: [String: Double] {
    var metrics: [String: Double] = [:]
    metrics["loss"] = loss
    metrics["epoch_loss"] = epochLoss.mean
    return metrics
  }
}

/// A mean that grows by one value at a time.
struct RunningMean: Equatable, Sendable {
  private(set) var sum = 0.0
  private(set) var count = 0

  /// nil of nothing.
  var mean: Double? { count == 0 ? nil : sum / Double(count) }

  mutating func add(_ value: Double) {
    sum += value
    count += 1
  }
}

extension RunningMean {
  /// Sum and count, so that adding goes on to the bit.
  var json: JSONValue { .object([JSONMember("sum", .number(sum)), JSONMember("steps", .integer(count))]) }

  /// What `json` wrote; a mean of nothing for anything else.
  init(_ json: JSONValue?) {
    guard let sum = json?["sum"]?.number, let count = json?["steps"]?.integer, count >= 0 else { return }
    self.sum = sum
    self.count = count
  }
}
