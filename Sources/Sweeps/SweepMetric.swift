import Configuration
import Diagnostics

/// The number that trials are compared by.
public struct SweepMetric: Sendable, Equatable {
  /// What is measured.
  public enum Name: String, Sendable, CaseIterable {
    /// Of base and new accuracy, percent.
    case harmonicMean = "harmonic_mean"
    /// Percent, on a test set.
    case accuracy
    /// Percent, on a test set.
    case macroF1 = "macro_f1"
    /// The last epoch's, of training.
    case loss
  }

  /// The classes of a test.
  public enum TestSet: String, Sendable, CaseIterable {
    case base, new, all
  }

  /// What is measured.
  public var name: Name
  /// Of which classes, where it is accuracy or macro-F1.
  public var testSet: TestSet?
  /// What a second of training and testing takes away.
  public var secondsWeight: Double
  /// What a megabyte sent to other hosts takes away.
  public var megabytesWeight: Double

  /// A metric; weights are in its own unit.
  public init(_ name: Name, of testSet: TestSet? = nil, secondsWeight: Double = 0, megabytesWeight: Double = 0) {
    self.name = name
    self.testSet = testSet
    self.secondsWeight = secondsWeight
    self.megabytesWeight = megabytesWeight
  }

  /// Whether more is better.
  public var isHigherBetter: Bool { name != .loss }

  /// Whether the first value is better than the second; a value that is not finite is the worst.
  public func isBetter(_ value: Double, than other: Double) -> Bool {
    guard value.isFinite else { return false }
    guard other.isFinite else { return true }
    return isHigherBetter ? value > other : value < other
  }

  /// The key of `TrialOutcome.metrics` that holds what is measured.
  public var key: String { testSet.map { "\(name.rawValue).\($0.rawValue)" } ?? name.rawValue }

  /// The outcome's number; nil where it was not measured, or a cost that counts is not known.
  public func value(of outcome: TrialOutcome) -> Double? {
    guard let measured = outcome.metrics[key] else { return nil }
    var cost = 0.0
    if secondsWeight > 0 {
      guard let seconds = outcome.seconds else { return nil }
      cost += secondsWeight * (seconds + (outcome.testSeconds ?? 0))
    }
    if megabytesWeight > 0 {
      guard let sent = outcome.sentBytes else { return nil }
      cost += megabytesWeight * Double(sent) / 1e6
    }
    return isHigherBetter ? measured - cost : measured + cost
  }

  /// In words: `accuracy of new classes - 0.01 per second`.
  public var words: String {
    let costs = [(secondsWeight, "second"), (megabytesWeight, "MB sent")].filter { $0.0 > 0 }
    let sign = isHigherBetter ? "-" : "+"
    return name.rawValue.replacing("_", with: " ") + (testSet.map { " of \($0.rawValue) classes" } ?? "")
      + costs.map { " \(sign) \($0.0) per \($0.1)" }.joined()
  }
}

extension SweepMetric {
  /// The metric that a sweep file names, or the usual one of what its trials test.
  ///
  /// Throws `Failure(.usage)` where trials do not measure it.
  init(_ given: SweepFile.Metric, facts: SweepExpansion.Facts) throws {
    func refuse(_ problem: String, _ remedy: String) -> Failure {
      Failure(.usage, at: "\(given.place): metric", problem, remedy: remedy)
    }
    let isOfHalves = facts.tasks == ["base-to-new"]
    guard facts.tasks.count == 1 || given.name == .loss else {
      throw refuse("trials of different tasks are not compared by what they test", "set metric.name: loss, or one task")
    }
    let name = given.name ?? (isOfHalves ? .harmonicMean : .accuracy)
    self.init(name, secondsWeight: given.secondsWeight, megabytesWeight: given.megabytesWeight)
    guard name == .loss || facts.testsTuned else {
      throw refuse("trials with evaluate.tuned: false measure no \(name.rawValue)", "leave evaluate.tuned out")
    }
    switch name {
    case .loss: return
    case .harmonicMean:
      guard isOfHalves else {
        throw refuse("harmonic_mean needs base and new classes", "set task: base-to-new, or metric.name: accuracy")
      }
    case .accuracy, .macroF1:
      testSet = given.testSet ?? (isOfHalves ? nil : .all)
      guard let testSet, (testSet == .all) != isOfHalves else {
        throw refuse(
          "\(name.rawValue) \(given.testSet.map { "of \($0.rawValue) classes" } ?? "of which classes") is not measured by these trials",
          "set metric.of to \(isOfHalves ? "base or new" : "all")")
      }
    }
  }
}
