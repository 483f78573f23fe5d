import Evaluation
import Foundation
import Reporting

/// What came of a sweep so far, by configuration: trials that differ in their seed alone are one.
public struct SweepResults: Sendable {
  /// The key by which trials repeat each other.
  static let seedKey = "seed"

  /// A configuration, over its seeds.
  struct Row: Sendable {
    /// Without the seed, in the order of the sweep file.
    let settings: [Setting]
    /// Trials, one for each seed.
    let trials: [Trial]
    /// Of the trials that have ended.
    let outcomes: [TrialOutcome]
    /// The metric of those that are finished and have one.
    let values: [Double]

    /// Whether every seed has a value.
    var isComplete: Bool { values.count == trials.count }
    var statistics: SeedStatistics? { values.isEmpty ? nil : SeedStatistics(values) }
    /// Outcomes whose numbers are final.
    var finished: [TrialOutcome] { outcomes.filter { $0.state == .finished } }

    func value(of key: String) -> String? { settings.first { $0.key == key }?.value }

    /// Mean of the largest ranks'.
    var peakMemoryBytes: Double? { mean { $0.peakMemoryBytes.map(Double.init) } }
    /// Mean of what was sent to other hosts.
    var sentBytes: Double? { mean { $0.sentBytes.map(Double.init) } }

    /// Over the finished trials; nil unless all of them have one.
    func mean(_ value: (TrialOutcome) -> Double?) -> Double? {
      let values = finished.compactMap(value)
      return values.isEmpty || values.count < finished.count ? nil : SeedStatistics(values).mean
    }
  }

  /// What the sweep is.
  public let record: SweepRecord
  /// In the order of the trials, of those that have ended.
  public let outcomes: [TrialOutcome]
  /// The best configuration first; those that lack a seed behind those that have all, and those without a value last.
  let rows: [Row]

  /// Reads what is there of a sweep.
  ///
  /// Throws `Failure`: `.missingInput` for a folder that is none of a sweep, `.badData` for a damaged file in it.
  public init(of folder: SweepFolder) throws {
    let record = try SweepRecord(of: folder)
    self.init(record, try folder.outcomes(of: record.trials))
  }

  /// Outcomes of the record's trials.
  public init(_ record: SweepRecord, _ outcomes: [TrialOutcome]) {
    (self.record, self.outcomes) = (record, outcomes)
    rows = Self.rows(record.trials.map { ($0.settings, $0) }, outcomes, record.metric).sorted {
      Self.isBetter($0, $1, record.metric)
    }
  }

  /// The rows of a part, in the order of the sweep file: a configuration that an earlier part has is one of them.
  func rows(of part: SweepPlan.Part) -> [Row] {
    Self.rows(part.points.map { ($0.settings, record.trials[$0.trial - 1]) }, outcomes, record.metric)
  }

  /// Keys that configurations differ in, in the order of the sweep file.
  var keys: [String] { record.trials.variedKeys.filter { $0 != Self.seedKey } }

  /// Keys that rows of a part differ in, in the order of the sweep file.
  static func keys(of rows: [Row]) -> [String] {
    rows.flatMap { $0.settings.map(\.key) }.distinct().filter { key in Set(rows.map { $0.value(of: key) }).count > 1 }
  }

  /// Trials that have not ended.
  var openCount: Int { record.trials.count - outcomes.count }

  private static func rows(
    _ points: [(settings: [Setting], trial: Trial)], _ outcomes: [TrialOutcome], _ metric: SweepMetric
  ) -> [Row] {
    let known = Dictionary(outcomes.map { ($0.trial.number, $0) }) { first, _ in first }
    var order: [[Setting]] = []
    var groups: [[Setting]: [Trial]] = [:]
    for (settings, trial) in points {
      let key = settings.filter { $0.key != seedKey }
      if groups[key] == nil { order.append(key) }
      groups[key, default: []].append(trial)
    }
    return order.map { settings in
      let trials = groups[settings]!
      let outcomes = trials.compactMap { known[$0.number] }
      return Row(
        settings: settings, trials: trials, outcomes: outcomes,
        values: outcomes.filter { $0.state == .finished }.compactMap { metric.value(of: $0) }.filter(\.isFinite))
    }
  }

  private static func isBetter(_ left: Row, _ right: Row, _ metric: SweepMetric) -> Bool {
    guard let first = left.statistics?.mean, let second = right.statistics?.mean else {
      return left.statistics != nil && right.statistics == nil
        || (left.statistics == nil) == (right.statistics == nil) && left.trials[0].number < right.trials[0].number
    }
    if left.isComplete != right.isComplete { return left.isComplete }
    if first != second { return metric.isBetter(first, than: second) }
    return left.trials[0].number < right.trials[0].number
  }
}
