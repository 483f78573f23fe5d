import Evaluation
import Foundation

/// Accuracies of a protocol's rows, measures and seeds, as far as they are there, and means of them.
struct ProtocolResults: Sendable {
  /// A data set, or a mean of data sets.
  struct Row: Sendable {
    let name: String
    /// Rows that it is the mean of; empty for a data set.
    let members: [String]
  }

  private struct Place: Hashable {
    var row: String
    var shots: Int
    var seed: Int
  }

  let plan: ProtocolPlan
  /// In order; the mean of the others, or of the targets, comes last.
  let rows: [Row]
  private var results: [Place: StoredResult] = [:]
  private var zeroShotTests: [String: StoredResult] = [:]

  /// Reads what is there of the finished jobs.
  ///
  /// Throws `Failure` for files that are damaged.
  init(_ plan: ProtocolPlan, finished: Set<ProtocolPlan.Job>) throws {
    self.plan = plan
    let averaged = plan.kind.hasTargets ? plan.targetNames : plan.datasetNames
    rows =
      (plan.datasetNames + plan.targetNames.filter { !plan.datasetNames.contains($0) }).map {
        Row(name: $0, members: [])
      }
      + [Row(name: plan.kind.averageName, members: averaged)]
    for job in plan.jobs where finished.contains(job) {
      let result = try StoredResult(contentsOf: plan.file(of: job))
      switch job {
      case .training(let index): results[Self.place(plan.trainings[index])] = result
      case .test(let index):
        let test = plan.tests[index]
        if let training = test.training {
          var place = Self.place(plan.trainings[training])
          place.row = test.target
          results[place] = result
        } else {
          zeroShotTests[test.target] = result
        }
      }
    }
  }

  private static func place(_ training: ProtocolPlan.Training) -> Place {
    Place(row: training.dataset, shots: training.shots, seed: training.seed)
  }

  /// The result of a data set's run or test.
  func result(_ row: String, shots: Int, seed: Int) -> StoredResult? {
    results[Place(row: row, shots: shots, seed: seed)]
  }

  /// Percent; of a mean nil unless all its members are there.
  func accuracy(_ row: Row, _ testSet: String, shots: Int, seed: Int) -> Double? {
    mean(over: row) { result($0, shots: shots, seed: seed)?.tuned[testSet]?.accuracy }
  }

  /// Percent, over the classes that occur.
  func macroF1(_ row: Row, _ testSet: String, shots: Int, seed: Int) -> Double? {
    mean(over: row) { result($0, shots: shots, seed: seed)?.tuned[testSet]?.macroF1 }
  }

  /// Percent, of the untuned model, from the first run that tested it: it has no seed.
  func zeroShot(_ row: Row, _ testSet: String) -> Double? {
    mean(over: row) { name in
      if let accuracy = zeroShotTests[name]?.zeroShot[testSet]?.accuracy { return accuracy }
      for shots in plan.settings.shots {
        for seed in plan.settings.seeds {
          if let accuracy = result(name, shots: shots, seed: seed)?.zeroShot[testSet]?.accuracy { return accuracy }
        }
      }
      return nil
    }
  }

  /// Harmonic mean of base and new accuracy of a row and seed; of a mean that of the two means.
  func harmonicMean(_ row: Row, shots: Int, seed: Int) -> Double? {
    harmonic(
      accuracy(row, "base", shots: shots, seed: seed), accuracy(row, "new", shots: shots, seed: seed))
  }

  /// The same over the row's seeds: of a mean the mean of its members' harmonic means.
  func meanOfHarmonicMeans(_ row: Row, shots: Int, seed: Int) -> Double? {
    mean(over: row) { harmonicMean(Row(name: $0, members: []), shots: shots, seed: seed) }
  }

  /// A value of each seed; nil unless all are there.
  func overSeeds(_ value: (Int) -> Double?) -> [Double]? {
    let values = plan.settings.seeds.compactMap(value)
    return values.count == plan.settings.seeds.count ? values : nil
  }

  /// Mean over the seeds; nil unless all are there.
  func meanOverSeeds(_ value: (Int) -> Double?) -> Double? { overSeeds(value).map { SeedStatistics($0).mean } }

  /// Harmonic mean of two percentages; nil unless both are there.
  func harmonic(_ base: Double?, _ new: Double?) -> Double? {
    guard let base, let new else { return nil }
    return Evaluation.harmonicMean(base, new)
  }

  private func mean(over row: Row, _ value: (String) -> Double?) -> Double? {
    guard !row.members.isEmpty else { return value(row.name) }
    let values = row.members.compactMap(value)
    return values.count == row.members.count ? values.reduce(0, +) / Double(values.count) : nil
  }
}
