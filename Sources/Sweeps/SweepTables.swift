import Diagnostics
import Files
import Foundation
import Reporting

/// Tables of a sweep's results.
extension SweepResults {
  /// Test sets of the tuned model that any trial has.
  var testSets: [String] {
    SweepMetric.TestSet.allCases.map(\.rawValue).filter { set in
      outcomes.contains { $0.metrics["accuracy.\(set)"] != nil }
    }
  }

  /// A value of the metric in words: percent with two decimals, a loss with four digits.
  func words(_ value: Double) -> String {
    record.metric.name == .loss ? Readable.significant(value, 4) : Readable.fixed(value, 2)
  }

  /// What most want to see, a row for each configuration, the best first.
  public var leaderboard: TextTable {
    let sets = testSets
    var table = TextTable(
      columns: ["#"] + keys.titles + ["seeds", record.metric.title, "95 %"] + sets.map { "\($0) acc." }
        + ["time", "memory", "sent", "state"])
    for (index, row) in rows.enumerated() {
      let place: [String?] = ["\(index + 1)"] + keys.map { row.value(of: $0) }
      let accuracies = sets.map { set in Readable.percent(row.mean { $0.metrics["accuracy.\(set)"] }) }
      let costs: [String?] = [
        row.mean(\.seconds).map(Readable.seconds), row.peakMemoryBytes.map { Readable.bytes(Int($0)) },
        row.sentBytes.map { Readable.bytes(Int($0)) }, row.state,
      ]
      table.append(place + measured(row) + accuracies + costs)
    }
    return table
  }

  /// Seeds, mean with its standard deviation, and half the interval.
  private func measured(_ row: Row) -> [String?] {
    let statistics = row.statistics
    let spread = statistics?.deviation.map { " ± \(words($0))" } ?? ""
    return [
      row.isComplete ? "\(row.trials.count)" : "\(row.values.count) of \(row.trials.count)",
      statistics.map { words($0.mean) + spread }, statistics?.interval.map(words),
    ]
  }

  /// What the leaderboard's columns are, and what is not in it yet.
  public var caption: String {
    let counts = TrialOutcome.State.allCases.map { state in (state, outcomes.count { $0.state == state }) }
      .filter { $0.1 > 0 }.map { "\($0.1) \($0.0.rawValue)" }
    let open = openCount > 0 ? ["\(openCount) to do"] : []
    return "\(record.trials.count) trials: \((counts + open).joined(separator: ", ")). "
      + "Compared by \(record.metric.words), \(record.metric.isHigherBetter ? "more" : "less") is better: "
      + "mean ± standard deviation (n - 1) over finished seeds; 95 %: half the interval of the mean by Student's t. "
      + "Time is that of features and steps. Configurations that lack a seed stand behind those that have all."
  }

  /// A row for each configuration, with numbers as they were measured.
  var csv: TextTable {
    let sets = testSets
    var table = TextTable(
      columns: ["rank"] + keys + ["seeds", "n", "mean", "std", "ci95"] + sets.map { "accuracy_\($0)" }
        + ["seconds", "test_seconds", "peak_memory_bytes", "sent_bytes"])
    for (index, row) in rows.enumerated() {
      let statistics = row.statistics
      let place: [String?] =
        ["\(index + 1)"] + keys.map { row.value(of: $0) } + ["\(row.trials.count)", "\(row.values.count)"]
      let values: [Double?] = [statistics?.mean, statistics?.deviation, statistics?.interval]
      let accuracies = sets.map { set in row.mean { $0.metrics["accuracy.\(set)"] } }
      let seconds: [Double?] = [row.mean(\.seconds), row.mean(\.testSeconds)]
      let bytes: [Double?] = [row.peakMemoryBytes, row.sentBytes]
      table.append(
        place + Self.cells(values, 8) + Self.cells(accuracies, 8) + Self.cells(seconds, 6) + Self.cells(bytes, 15))
    }
    return table
  }

  private static func cells(_ values: [Double?], _ digits: Int) -> [String?] {
    values.map { $0.map { Readable.significant($0, digits) } }
  }

  /// A row for each trial that has ended.
  var trialsCSV: TextTable {
    let keys = record.trials.flatMap { $0.settings.map(\.key) }.distinct()
    let metrics = Set(outcomes.flatMap { $0.metrics.keys }).sorted()
    var table = TextTable(
      columns: ["trial", "name", "state", "attempts"] + keys + ["epochs", "steps", "value"] + metrics
        + ["seconds", "test_seconds", "peak_memory_bytes", "sent_bytes", "ranks", "problem"])
    for outcome in outcomes {
      let settings = keys.map { outcome.trial.value(of: $0) }
      let name: [String?] = [
        "\(outcome.trial.number)", outcome.trial.name, outcome.state.rawValue, "\(outcome.attempts)",
      ]
      let values = [record.metric.value(of: outcome)] + metrics.map { outcome.metrics[$0] }
      let counts = [outcome.peakMemoryBytes, outcome.sentBytes, outcome.ranks].map { $0.map { "\($0)" } }
      let work: [String?] = ["\(outcome.epochs)", "\(outcome.steps)"]
      let costs = Self.cells([outcome.seconds, outcome.testSeconds], 6) + counts + [outcome.problem]
      table.append(name + settings + work + Self.cells(values, 10) + costs)
    }
    return table
  }

  /// Writes `results.csv`, `trials.csv`, `results.json` and `results.md` into the sweep's folder.
  public func write(to folder: SweepFolder) throws {
    func write(_ text: String, _ name: String) throws {
      try AtomicFile.write(Data(text.utf8), to: folder.url.appending(path: name))
    }
    try write(csv.csv, "results.csv")
    try write(trialsCSV.csv, "trials.csv")
    try AtomicFile.write(try json(), to: folder.url.appending(path: "results.json"))
    try write("\(leaderboard.markdown)\n\(caption)\n", "results.md")
  }
}

extension SweepResults.Row {
  /// What happened to trials that have no value; nil where all have one.
  var state: String? {
    let counts = [TrialOutcome.State.failed, .stopped].map { state in (state, outcomes.count { $0.state == state }) }
      .filter { $0.1 > 0 }.map { "\($0.1) \($0.0.rawValue)" }
    let open = trials.count - outcomes.count
    let words = counts + (open > 0 ? ["\(open) to do"] : [])
    return words.isEmpty ? nil : words.joined(separator: ", ")
  }
}

extension SweepMetric {
  /// A column's title.
  var title: String {
    let what = name.rawValue.replacing("_", with: " ") + (testSet.map { " \($0.rawValue)" } ?? "")
    return what + (secondsWeight > 0 || megabytesWeight > 0 ? " - cost" : "")
  }
}

// MARK: - JSON

extension SweepResults {
  private struct Document: Encodable {
    let metric: String
    let higherIsBetter: Bool
    let configurations: [Configuration]
    let trials: [TrialEntry]
  }

  private struct Configuration: Encodable {
    let settings: [String: String]
    let trials: [Int]
    let values: [Double]
    let mean, standardDeviation, interval95: Double?
    let seconds, sentBytes, peakMemoryBytes: Double?
  }

  private struct TrialEntry: Encodable {
    let trial: Int
    let name, state: String
    let settings: [String: String]
    let value: Double?
    let problem: String?
  }

  private static func dictionary(_ settings: [Setting]) -> [String: String] {
    Dictionary(settings.map { ($0.key, $0.value) }) { first, _ in first }
  }

  /// Sorted, indented JSON with `snake_case` keys; setting keys stay as they are.
  func json() throws -> Data {
    try ReportJSON.document(
      Document(
        metric: record.metric.words, higherIsBetter: record.metric.isHigherBetter,
        configurations: rows.map { row in
          Configuration(
            settings: Self.dictionary(row.settings), trials: row.trials.map(\.number), values: row.values,
            mean: row.statistics?.mean, standardDeviation: row.statistics?.deviation,
            interval95: row.statistics?.interval, seconds: row.mean(\.seconds),
            sentBytes: row.sentBytes, peakMemoryBytes: row.peakMemoryBytes)
        },
        trials: outcomes.map { outcome in
          TrialEntry(
            trial: outcome.trial.number, name: outcome.trial.name, state: outcome.state.rawValue,
            settings: Self.dictionary(outcome.trial.settings), value: record.metric.value(of: outcome),
            problem: outcome.problem)
        }))
  }
}
