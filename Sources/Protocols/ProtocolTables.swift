import Evaluation
import Foundation
import Reporting

/// Tables of a protocol's results.
struct ProtocolTables {
  private let results: ProtocolResults
  private let published: PublishedResults?
  private let plan: ProtocolPlan

  /// `published` is what to compare with, where there is something.
  init(_ results: ProtocolResults, _ published: PublishedResults?) {
    self.results = results
    self.published = published
    plan = results.plan
  }

  private var seeds: [Int] { plan.settings.seeds }
  private var isBaseToNew: Bool { plan.kind == .baseToNew }
  private var hasShots: Bool { plan.kind == .fewShot }

  /// Rows of the tables: every row of the results, with few shots once for each number of them.
  private var cases: [(row: ProtocolResults.Row, shots: Int)] {
    plan.settings.shots.flatMap { shots in results.rows.map { ($0, shots) } }
  }

  /// Percentages with two decimals in the shape of published result files: a value per seed, then their means.
  ///
  /// H is the harmonic mean of the row's base and new accuracy: in the last row that of the averages.
  var csv: TextTable {
    let measures = plan.kind.measures
    let names = measures.map(\.name) + (isBaseToNew ? ["H"] : [])
    var table = TextTable(
      columns: ["dataset"] + (hasShots ? ["shots"] : [])
        + names.flatMap { name in seeds.map { "\(name)_seed\($0)" } } + names)
    for (row, shots) in cases {
      let values = measures.map { measure in
        seeds.map { results.accuracy(row, measure.testSet, shots: shots, seed: $0) }
      }
      var means = measures.map { measure in
        results.meanOverSeeds { results.accuracy(row, measure.testSet, shots: shots, seed: $0) }
      }
      var cells = values.flatMap { $0 }
      if isBaseToNew {
        cells += seeds.map { results.harmonicMean(row, shots: shots, seed: $0) }
        means.append(results.harmonic(means[0], means[1]))
      }
      table.append([row.name] + (hasShots ? ["\(shots)"] : []) + (cells + means).map { Readable.percent($0) })
    }
    return table
  }

  /// What runs took, means over the seeds: seconds of features and steps and of the tests after them, MB of the largest
  /// rank, trained parameters.
  ///
  /// Where there is one test set, of all classes, its time stands for that of the base classes, which were trained on.
  var costCSV: TextTable {
    var table = TextTable(
      columns: ["dataset"] + (hasShots ? ["shots"] : [])
        + ["training_time", "base_test_time", "new_test_time", "memory", "parameter"])
    for (row, shots) in cases where row.members.isEmpty && plan.datasetNames.contains(row.name) {
      func mean(_ value: (StoredResult.Cost) -> Double?) -> Double? {
        results.meanOverSeeds { results.result(row.name, shots: shots, seed: $0)?.cost.flatMap(value) }
      }
      table.append(
        [row.name] + (hasShots ? ["\(shots)"] : [])
          + [
            Readable.percent(mean(\.seconds)),
            Readable.percent(mean { $0.testSeconds["base"] ?? $0.testSeconds["all"] }),
            Readable.percent(mean { $0.testSeconds["new"] }),
            Readable.percent(mean { Double($0.peakMemoryBytes) / 1e6 }),
            mean { Double($0.trainedParameters) }.map { Readable.fixed($0, 0) },
          ])
    }
    return table
  }
}

// MARK: - Statistics

extension ProtocolTables {
  /// A number of a row over the seeds, and what it is compared with.
  private struct Measurement {
    let name: String
    /// nil unless all seeds have one.
    let values: [Double]?
    /// The mean, where it is not that of the values.
    var derived: Double?
    var zeroShot: Double?

    var mean: Double? { derived ?? values.map { SeedStatistics($0).mean } }
  }

  /// Mean, standard deviation over n - 1, half the 95 % interval by Student's t, zero-shot accuracy and published value of
  /// each measure.
  var statisticsCSV: TextTable {
    var table = TextTable(columns: [
      "dataset", "shots", "measure", "n", "mean", "std", "ci95", "zero_shot", "published", "difference",
    ])
    for (row, shots) in cases {
      for measurement in measurements(row, shots) {
        let statistics = measurement.values.map { SeedStatistics($0) }
        let published = publishedValue(row, shots, measurement.name)
        table.append(
          [row.name, "\(shots)", measurement.name, "\(seeds.count)"]
            + [
              measurement.mean, statistics?.deviation, statistics?.interval, measurement.zeroShot, published,
              difference(measurement.mean, published),
            ].map { $0.map { Readable.fixed($0, 4) } })
      }
    }
    return table
  }

  private func measurements(_ row: ProtocolResults.Row, _ shots: Int) -> [Measurement] {
    var measurements = plan.kind.measures.map { measure in
      Measurement(
        name: measure.name,
        values: results.overSeeds { results.accuracy(row, measure.testSet, shots: shots, seed: $0) },
        zeroShot: results.zeroShot(row, measure.testSet))
    }
    if isBaseToNew {
      let (base, new) = (measurements[0], measurements[1])
      measurements.append(
        Measurement(
          name: "H_of_means", values: nil, derived: results.harmonic(base.mean, new.mean),
          zeroShot: results.harmonic(base.zeroShot, new.zeroShot)))
      measurements.append(
        Measurement(
          name: "mean_of_H",
          values: results.overSeeds { results.meanOfHarmonicMeans(row, shots: shots, seed: $0) }))
    }
    return measurements
      + plan.kind.measures.map { measure in
        Measurement(
          name: measure.name.replacing("acc", with: "f1"),
          values: results.overSeeds { results.macroF1(row, measure.testSet, shots: shots, seed: $0) })
      }
  }

  /// What was published of a row; nil where it was something else, as far as can be told.
  private func publishedValue(_ row: ProtocolResults.Row, _ shots: Int, _ measure: String) -> Double? {
    guard let published, let value = published.value(row.name, measure) else { return nil }
    let members = row.members.isEmpty ? [row.name] : row.members
    let areCovered = members.allSatisfy { name in
      seeds.allSatisfy { seed in
        guard let result = results.result(name, shots: shots, seed: seed),
          let training = plan.trainings.first(where: {
            $0.seed == seed && $0.shots == shots && ($0.dataset == name || plan.kind.hasTargets)
          })
        else { return false }
        let settings = Dictionary(
          uniqueKeysWithValues: training.resolved.settings.map { ($0.key, $0.value.yaml) })
        return published.covers(result, trainedOn: training.dataset, settings: settings)
      }
    }
    return areCovered ? value : nil
  }

  private func difference(_ mean: Double?, _ published: Double?) -> Double? {
    guard let mean, let published else { return nil }
    return mean - published
  }
}

// MARK: - For people

extension ProtocolTables {
  /// What most want to see, a row per data set.
  var summary: TextTable {
    let titles = isBaseToNew ? ["base", "new"] : ["accuracy"]
    var table = TextTable(
      columns: ["data set"] + (hasShots ? ["shots"] : []) + titles.map { "zero-shot \($0)" }
        + (isBaseToNew ? ["zero-shot H"] : []) + titles.flatMap { [$0, "95 %"] }
        + (isBaseToNew ? ["H of means", "mean of H"] : ["macro-F1"]) + ["published", "difference"])
    for (row, shots) in cases { table.append(summaryRow(row, shots)) }
    return table
  }

  private func summaryRow(_ row: ProtocolResults.Row, _ shots: Int) -> [String?] {
    let all = Dictionary(uniqueKeysWithValues: measurements(row, shots).map { ($0.name, $0) })
    let main = plan.kind.measures.compactMap { all[$0.name] }
    let last = isBaseToNew ? all["H_of_means"]! : main[0]
    let published = publishedValue(row, shots, last.name)
    let zeroShot = main.map { Readable.percent($0.zeroShot) } + (isBaseToNew ? [Readable.percent(last.zeroShot)] : [])
    let rest =
      isBaseToNew
      ? [Readable.percent(last.mean), spread(all["mean_of_H"]!).first!] : [Readable.percent(all["f1"]?.mean)]
    return [row.name] + (hasShots ? ["\(shots)"] : []) + zeroShot + main.flatMap(spread) + rest
      + [
        Readable.percent(published),
        difference(last.mean, published).map { ($0 < 0 ? "" : "+") + Readable.fixed($0, 2) },
      ]
  }

  /// Mean with its standard deviation, and half the interval.
  private func spread(_ measurement: Measurement) -> [String?] {
    guard let statistics = measurement.values.map({ SeedStatistics($0) }) else { return [nil, nil] }
    let deviation = statistics.deviation.map { " ± \(Readable.fixed($0, 2))" } ?? ""
    return [Readable.fixed(statistics.mean, 2) + deviation, Readable.percent(statistics.interval)]
  }

  /// What the summary's columns are.
  var caption: String {
    let seeds = seeds.map { "\($0)" }.joined(separator: ", ")
    let harmonic =
      isBaseToNew
      ? " H of means: harmonic mean of the row's mean base and new accuracy; mean of H: mean over data sets and seeds of theirs."
      : ""
    let source =
      published.map {
        " Published: \($0.source), shown where model, data and settings are the same as far as can be told."
      } ?? ""
    return
      "Percent. Mean ± standard deviation (n - 1) over seeds \(seeds); 95 %: half the interval of the mean by Student's t."
      + harmonic + source
  }
}
