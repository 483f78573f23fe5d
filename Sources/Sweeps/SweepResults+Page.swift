import Evaluation
import HTMLReport
import Reporting

extension SweepResults {
  /// The sweep as one HTML file; `version` is the program's.
  public func page(version: String) -> String {
    SweepPage(
      metric: record.metric.title, isHigherBetter: record.metric.isHigherBetter, parts: record.parts.map(part),
      configurations: rows.map { configuration($0, keys) }, leaderboard: leaderboard, caption: caption,
      best: rows.first.flatMap { row in
        row.statistics.map { statistics in
          [
            "\(record.metric.title) \(words(statistics.mean))"
              + (statistics.deviation.map { " ± \(words($0))" } ?? ""),
            row.settings.filter { keys.contains($0.key) }.words,
          ]
        }
      } ?? [],
      provenance: [("compared by", record.metric.words)] + record.sources.map { ("made from", $0) }
        + [
          ("trials", "\(record.trials.count)"), ("left out by constraints", "\(record.excludedCount)"),
          ("repeat another trial", "\(record.duplicateCount)"),
        ],
      version: version
    ).text
  }

  private func part(_ part: SweepPlan.Part) -> SweepPage.Part {
    let rows = rows(of: part)
    let keys = Self.keys(of: rows)
    return SweepPage.Part(
      name: part.name, keys: keys, configurations: rows.map { configuration($0, keys) },
      plots: keys.map { key in
        SweepPage.Plot(
          key: key, points: rows.compactMap { $0.value(of: key) }.distinct().compactMap { point(key, $0, rows) })
      })
  }

  private func configuration(_ row: Row, _ keys: [String]) -> SweepPage.Configuration {
    SweepPage.Configuration(
      settings: Dictionary(row.settings.filter { keys.contains($0.key) }.map { ($0.key, $0.value) }) { first, _ in first
      },
      values: row.values, mean: row.statistics?.mean, interval: row.statistics?.interval, seconds: row.mean(\.seconds),
      sentBytes: row.sentBytes)
  }

  /// What was measured with a value of a setting: for each seed the mean over all configurations with it.
  ///
  /// Those that lack a seed are left out, unless all do: then it is the mean of what there is.
  private func point(_ key: String, _ value: String, _ rows: [Row]) -> SweepPage.Point? {
    let rows = rows.filter { $0.value(of: key) == value && !$0.values.isEmpty }
    let means = rows.compactMap { $0.statistics?.mean }
    guard !means.isEmpty else { return nil }
    let best = means.count == 1 ? nil : record.metric.isHigherBetter ? means.max() : means.min()
    let whole = rows.filter(\.isComplete)
    guard let count = whole.first?.values.count, whole.allSatisfy({ $0.values.count == count }) else {
      return SweepPage.Point(
        value: value, mean: SeedStatistics(means).mean, interval: nil,
        measurements: means.count == 1 ? rows[0].values : means,
        best: best)
    }
    let seeds = (0..<count).map { seed in SeedStatistics(whole.map { $0.values[seed] }).mean }
    let statistics = SeedStatistics(seeds)
    return SweepPage.Point(
      value: value, mean: statistics.mean, interval: statistics.interval, measurements: count == 1 ? [] : seeds,
      best: best)
  }
}
