import Evaluation
import Reporting

extension JobResults {
  /// Harmonic means of the tests that are finished, in their order.
  static func harmonicMeans(_ tests: [Test]) -> [Harmonic] {
    tests.filter { $0.set == "base" && $0.state == .finished }.compactMap { base in
      let new = tests.first {
        $0.set == "new" && $0.state == .finished && $0.checkpoint == base.checkpoint && $0.dataset == base.dataset
      }
      guard let base1 = base.top1, let new1 = new?.top1 else { return nil }
      return Harmonic(
        checkpoint: base.checkpoint, dataset: base.dataset, accuracy: Evaluation.harmonicMean(base1, new1))
    }
  }

  /// Means of each model and task; those of a single data set say nothing new and are left out.
  ///
  /// `asked` counts the data sets of each task that were asked for.
  static func averages(_ tests: [Test], asked: [String: Int]) -> [Average] {
    var results: [Average] = []
    for checkpoint in tests.map(\.checkpoint).distinct() {
      for task in tests.map(\.task).distinct() where asked[task]! > 1 {
        let own = tests.filter { $0.checkpoint == checkpoint && $0.task == task }
        let whole = own.map(\.dataset).distinct().filter { dataset in
          own.filter { $0.dataset == dataset }.allSatisfy { $0.state == .finished && $0.top1 != nil }
        }
        guard !whole.isEmpty else { continue }
        results.append(average(own.filter { whole.contains($0.dataset) }, whole.count, of: asked[task]!))
      }
    }
    return results
  }

  private static func average(_ tests: [Test], _ count: Int, of asked: Int) -> Average {
    let sets = Dictionary(grouping: tests, by: \.set)
    func means(_ value: (Test) -> Double?) -> [String: Double] {
      sets.mapValues { tests in tests.compactMap(value).reduce(0, +) / Double(count) }
    }
    let top1 = means(\.top1)
    var mean: Double?
    if let base = top1["base"], let new = top1["new"] { mean = Evaluation.harmonicMean(base, new) }
    return Average(
      checkpoint: tests[0].checkpoint, task: tests[0].task, dataSets: count, ofDataSets: asked, top1: top1,
      macroF1: means(\.macroF1), harmonicMean: mean)
  }
}
