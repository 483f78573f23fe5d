import Diagnostics
import Foundation
import Testing

@testable import Sweeps

/// Each ends in one line with file and line, before anything is expanded that does not fit into memory.
@Suite struct SweepErrorTests {
  struct Case: Sendable, CustomTestStringConvertible {
    let name: String
    let file: String
    var overrides: [String] = []
    let words: [String]

    var testDescription: String { name }
  }

  @Test(arguments: cases) func oneLineSaysWhatIsWrong(_ wrong: Case) throws {
    let scratch = try SweepScratch(wrong.file)
    let failure = #expect(throws: Failure.self) { _ = try scratch.plan(wrong.overrides) }
    #expect(failure?.status == .usage)
    let line = failure?.description ?? ""
    for words in wrong.words { #expect(line.contains(words), "\(line)") }
  }

  static let cases: [Case] = [
    Case(
      name: "unknown key of the file", file: "grids: {seed: [1]}",
      words: ["sweep.yaml:1: unknown section grids", "did you mean grid?"]),
    Case(name: "nothing varied", file: "ranks_per_trial: 2", words: ["nothing is varied", "give grid"]),
    Case(
      name: "unknown setting", file: "grid:\n  method.start_layr: [1]",
      words: ["sweep.yaml:2: there is no setting \"method.start_layr\"", "did you mean method.start_layer?"]),
    Case(
      name: "setting without its section", file: "grid:\n  start_layer: [1]",
      words: ["did you mean method.start_layer?"]),
    Case(name: "run directories", file: "grid:\n  run_dir: [a, b]", words: ["sweep.yaml:2: run_dir cannot be varied"]),
    Case(
      name: "settings of protocols", file: "grid:\n  protocol.retries: [1, 2]",
      words: ["sweep.yaml:2: protocol.retries cannot be varied"]),
    Case(
      name: "data sets in the grid", file: "grid:\n  data: [DTD]",
      words: ["sweep.yaml:2", "list data sets in data_sets"]),
    Case(name: "no values", file: "grid:\n  seed: []", words: ["sweep.yaml:2: seed has no values"]),
    Case(name: "a value twice", file: "grid:\n  seed: [1, 2, 1]", words: ["sweep.yaml:2: seed has the value 1 twice"]),
    Case(
      name: "empty range", file: "grid:\n  seed: {from: 5, to: 1, step: 1}",
      words: ["sweep.yaml:2: the range of seed is empty", "turn the sign of step"]),
    Case(name: "range without step", file: "grid:\n  seed: {from: 1, to: 5}", words: ["needs one of step and count"]),
    Case(name: "step of zero", file: "grid:\n  seed: {from: 1, to: 5, step: 0}", words: ["the range of seed is empty"]),
    Case(
      name: "unknown key of a range", file: "grid:\n  seed: {from: 1, till: 5, step: 1}",
      words: ["the range of seed has no key \"till\""]),
    Case(
      name: "log from zero", file: "grid:\n  optim.text_lr: {from: 0, to: 1, count: 3, scale: log}",
      words: ["sweep.yaml:2: the range of optim.text_lr is log and does not lie above 0"]),
    Case(
      name: "a range of 10^12 values", file: "grid:\n  optim.text_lr: {from: 0, to: 1, step: 1.0e-12}",
      words: ["the range of optim.text_lr has 1e+12 values, more than 10000"]),
    Case(
      name: "a grid of 10^12 trials",
      file: "grid:\n"
        + ["text_lr", "image_lr", "momentum"].map {
          "  optim.\($0): {from: 0.01, to: 0.9, count: 10000}\n"
        }.joined(),
      words: ["the sweep has 1,000,000,000,000 trials, more than max_trials: 500", "vary less"]),
    Case(
      name: "thousands of trials by accident", file: "grid:\n  seed: {from: 1, to: 1001, step: 1}",
      words: ["the sweep has 1,001 trials, more than max_trials: 500", "set max_trials: 1001 if you mean it"]),
    Case(
      name: "too many in spite of constraints",
      file: "grid:\n  seed: {from: 1, to: 1001, step: 1}\nconstraints: [seed != 7]",
      words: ["the sweep has 1,000 trials", "set max_trials: 1000 if you mean it"]),
    Case(
      name: "too many to look at",
      file:
        "grid:\n  seed: {from: 1, to: 9000, step: 1}\n  optim.epochs: {from: 1, to: 9000, step: 1}\nconstraints: [seed == 7]",
      words: ["there are 81,000,000 combinations before constraints, more than 100,000"]),
    Case(
      name: "all excluded", file: "grid:\n  seed: [1, 2]\nconstraints: [seed > 2]",
      words: ["constraints leave nothing of 2 combinations"]),
    Case(
      name: "a constraint that compares nothing", file: "grid: {seed: [1]}\nconstraints:\n  - seed is 1",
      words: ["sweep.yaml:3: the constraint \"seed is 1\" compares nothing"]),
    Case(
      name: "an unknown setting in a constraint", file: "grid: {seed: [1]}\nconstraints:\n  - optim.txt_lr < 1",
      words: ["sweep.yaml:3: the constraint names an unknown setting \"optim.txt_lr\"", "did you mean optim.text_lr?"]),
    Case(
      name: "a constraint of two values", file: "grid: {seed: [1]}\nconstraints:\n  - 1 < 2",
      words: ["sweep.yaml:3: the constraint \"1 < 2\" names no setting"]),
    Case(
      name: "the order of words", file: "grid: {seed: [1]}\nconstraints:\n  - method.kind < full",
      words: ["sweep.yaml:3", "asks which of skip-tuning and full is larger"]),
    Case(
      name: "a key in two places", file: "grid: {seed: [1]}\nlist:\n  - {seed: 3}",
      words: ["seed is varied in two places"]),
    Case(
      name: "a key of all parts in one", file: "grid: {seed: [1]}\nparts:\n  a:\n    grid: {seed: [2]}",
      words: ["seed is varied in two places"]),
    Case(
      name: "a list beside parts", file: "list:\n  - {seed: 3}\nparts:\n  a:\n    grid: {optim.epochs: [2]}",
      words: ["list and random stand beside parts"]),
    Case(
      name: "an unknown key of a part", file: "parts:\n  a:\n    grids: {optim.epochs: [2]}",
      words: ["sweep.yaml:3: unknown section parts.a.grids", "did you mean parts.a.grid?"]),
    Case(
      name: "a wrong name of a part", file: "parts:\n  Start Layer:\n    grid: {seed: [2]}",
      words: ["\"Start Layer\" cannot be the name of a part"]),
    Case(
      name: "scalars where values are lists", file: "grid:\n  augment.scale: [0.7, 1]",
      words: ["sweep.yaml:2: each value of augment.scale is a list, 0.7 is none"]),
    Case(
      name: "a value that its setting does not take", file: "grid:\n  seed: [1]\n  batch.global: [4, 0]",
      words: [
        "sweep.yaml:3: batch.global is 0 but must be an integer of at least 1", "(trial 2: seed=1 batch.global=0)",
      ]),
    Case(
      name: "settings that contradict each other", file: "grid:\n  method.train_embeddings: [false, true]",
      words: ["sweep.yaml:2: method.train_embeddings = true needs method.start_layer 0", "(trial 2:"]),
    Case(
      name: "random without samples", file: "random:\n  settings: {seed: {choice: [1]}}",
      words: ["sweep.yaml:1: random has no number of samples"]),
    Case(
      name: "a wrong distribution", file: "random:\n  samples: 2\n  settings:\n    seed: {normal: [1, 2]}",
      words: ["sweep.yaml:4: the distribution of seed has no key \"normal\""]),
    Case(
      name: "descending ends", file: "random:\n  samples: 2\n  settings:\n    seed: {uniform: [2, 1]}",
      words: ["sweep.yaml:4: uniform of the distribution of seed is a list but must be two ascending numbers"]),
    Case(
      name: "an unknown data set", file: "data_sets: [EuroSATT]",
      words: ["data_sets: \"EuroSATT\" is no published name", "did you mean EuroSAT?"]),
    Case(
      name: "a metric that nobody measures", file: "grid: {seed: [1]}\nmetric: {name: accuracy, of: all}",
      words: ["metric: accuracy of all classes is not measured by these trials", "base or new"]),
    Case(
      name: "a metric of halves of one whole", file: "grid: {seed: [1]}\nmetric: {name: harmonic_mean}",
      overrides: ["task=all-classes"], words: ["harmonic_mean needs base and new classes"]),
    Case(
      name: "tasks that measure different things", file: "grid: {task: [base-to-new, all-classes]}",
      words: ["trials of different tasks are not compared"]),
    Case(
      name: "no tests", file: "grid: {seed: [1]}", overrides: ["evaluate.tuned=false"],
      words: ["trials with evaluate.tuned: false measure no harmonic_mean"]),
    Case(
      name: "a key of another rule", file: "grid: {seed: [1]}\nstopping: {rule: median, reduction: 3}",
      words: ["sweep.yaml:2: stopping.reduction = 3 is of stopping.rule halving only"]),
    Case(
      name: "an option that is varied", file: "grid: {seed: [1]}", overrides: ["seed=3"],
      words: ["--set: seed is varied by the sweep file"]),
    Case(
      name: "a run directory for all", file: "grid: {seed: [1]}", overrides: ["run_dir=x"],
      words: ["each trial has a run directory of its own"]),
    Case(name: "no mapping", file: "- 1", words: ["sweep.yaml:1: a configuration must be a mapping"]),
  ]

  @Test func aMissingFileIsNamed() throws {
    let failure = #expect(throws: Failure.self) {
      _ = try SweepPlan(
        URL(fileURLWithPath: "/nowhere/sweep.yaml"), files: [], overrides: [], folder: URL(fileURLWithPath: "/tmp"))
    }
    #expect(failure?.status == .missingInput)
  }
}
