import Diagnostics
import Foundation
import TestSupport
import Testing

@testable import Sweeps

/// A sweep file in a folder of its own, over a configuration that is whole but for what the sweep adds.
struct SweepScratch {
  private let scratch: ScratchFolder

  init(_ text: String) throws {
    scratch = try ScratchFolder()
    try Data(text.utf8).write(to: scratch.file("sweep.yaml"))
    let configuration = """
      model: {path: /model}
      data: {root: /data, name: DescribableTextures}
      batch: {global: 4}
      """
    try Data((configuration + "\n").utf8).write(to: scratch.file("run.yaml"))
  }

  var folder: SweepFolder { SweepFolder(scratch.file("results")) }

  func plan(_ overrides: [String] = []) throws -> SweepPlan {
    try SweepPlan(
      scratch.file("sweep.yaml"), files: [scratch.file("run.yaml")], overrides: overrides, folder: folder.url)
  }
}

@Suite struct ExpansionTests {
  struct Golden: Decodable {
    let name, file: String
    let excluded: Int
    let trials: [String]
  }

  /// What Python's itertools and random make of the same files.
  @Test func expandsAsPythonDoes() throws {
    let goldens = try Goldens.json("sweeps/expansion.json", as: [Golden].self)
    #expect(goldens.count == 5)
    for golden in goldens {
      let plan = try SweepScratch(golden.file).plan()
      #expect(plan.trials.map(\.settings.words) == golden.trials, "\(golden.name)")
      #expect(plan.excludedCount == golden.excluded && plan.duplicateCount == 0, "\(golden.name)")
      #expect(plan.trials.map(\.number) == Array(1...golden.trials.count))
    }
  }

  /// 0.3 is the default of lambda and 6 that of the start layer, so both parts have one configuration in common.
  @Test func aConfigurationOfTwoPartsIsOneTrial() throws {
    let plan = try SweepScratch(
      """
      parts:
        layers:
          grid: {method.start_layer: [4, 6]}
        lambdas:
          grid: {method.class_skip.lambda: [0.1, 0.30, 0.5]}
      """
    ).plan()
    #expect(plan.trials.count == 4 && plan.duplicateCount == 1)
    #expect(plan.parts.map(\.name) == ["layers", "lambdas"])
    #expect(plan.parts.map { $0.points.map(\.trial) } == [[1, 2], [3, 2, 4]])
    #expect(plan.parts[1].points[1].settings == [Setting(key: "method.class_skip.lambda", value: "0.30")])
  }

  @Test func configurationsHaveTheirTrialsSettings() throws {
    let scratch = try SweepScratch("grid: {method.start_layer: [4, 6], data.shots: [8]}\ndata_sets: [EuroSAT]")
    let plan = try scratch.plan(["optim.epochs=7"])
    let (_, resolved) = try plan.configuration(of: plan.trials[1], in: scratch.folder.run(of: plan.trials[1]))
    let values = Dictionary(resolved.settings.map { ($0.key, $0.value.yaml) }) { first, _ in first }
    #expect(values["method.start_layer"] == "6" && values["data.shots"] == "8" && values["data.name"] == "EuroSAT")
    #expect(values["optim.epochs"] == "7")
    #expect(values["run_dir"]?.hasSuffix("results/trials/\(plan.trials[1].name)") == true)
  }

  @Test func columnsHaveShortTitlesWhereTheyAreDifferent() {
    #expect(["seed", "optim.epochs", "method.seed"].titles == ["seed", "epochs", "method.seed"])
  }

  @Test func optionsAndMetricAreRead() throws {
    let plan = try SweepScratch(
      """
      grid: {seed: [1, 2]}
      metric: {name: accuracy, of: new, seconds_weight: 0.01, sent_mb_weight: 0.5}
      ranks_per_trial: 2
      retries: 3
      stopping: {rule: halving, reduction: 4, first_epochs: 2}
      """
    ).plan()
    #expect(plan.metric == SweepMetric(.accuracy, of: .new, secondsWeight: 0.01, megabytesWeight: 0.5))
    #expect(
      plan.options
        == SweepOptions(
          ranksPerTrial: 2, retries: 3, stopping: .halving(reduction: 4, firstEpochs: 2)))
    #expect(try SweepScratch("grid: {seed: [1]}").plan().metric == SweepMetric(.harmonicMean))
    #expect(try SweepScratch("grid: {seed: [1]}").plan(["task=all-classes"]).metric == SweepMetric(.accuracy, of: .all))
  }
}
