import Foundation
import Sweeps
import TestSupport
import Testing

extension EndToEnd {
  @Suite struct SweepFiles {
    /// Those for published models, with a model of as many blocks; trials and what differs are told, and nothing is written.
    @Test(arguments: [
      ("start-layer", "27 trials"), ("class-ratio", "30 trials"), ("class-lambda", "24 trials"),
      ("ablations", "75 trials; 6 have the configuration of a trial that is there already"),
      ("recommended", "8 trials"),
    ])
    func presetsAreListed(name: String, words: String) throws {
      let task = try SmallTask()
      // Its paths are relative to the repository.
      let root = Goldens.repositoryRoot
      let preset = try String(contentsOf: root.appendingPathComponent("configs/sweeps/\(name).yaml"), encoding: .utf8)
      let file = task.folder.appendingPathComponent("sweep.yaml")
      try Data(preset.replacing("- configs/", with: "- \(root.path)/configs/").utf8).write(to: file)
      let before = Set(try task.folder.contents().keys)
      let outcome = try Program.run(sweep(file.path, task, ["task=base-to-new", "optim.epochs=2"]))
      #expect(outcome.status == 0 && outcome.linesButWarnings == [], "\(outcome.stderr)")
      let lines = outcome.stdout.split(separator: "\n")
      #expect(lines.dropLast(2).last.map(String.init) == words, "\(outcome.stdout)")
      #expect(lines[0].hasPrefix("trial ") && lines[0].contains("memory/rank"))
      #expect(Set(try task.folder.contents().keys) == before)
    }

    /// Alone and under a launcher: what is not known without the model is found before anything runs, too.
    @Test(
      arguments: [
        ("grid:\n  method.start_layr: [1]", ["sweep.yaml:2: there is no setting", "did you mean method.start_layer?"]),
        ("grid:\n  seed: {from: 5, to: 1, step: 1}", ["sweep.yaml:2: the range of seed is empty"]),
        ("grid:\n  seed: [1, 2]\nconstraints: [seed > 2]", ["constraints leave nothing of 2 combinations"]),
        (
          "grid:\n  seed: {from: 1, to: 4000, step: 1}",
          ["4,000 trials, more than max_trials: 500", "set max_trials: 4000"]
        ),
        (
          "grid:\n  method.start_layer: [6, 13]\n",
          ["start layer 13 lies beyond the model's 12 blocks", "(trial 2: method.start_layer=13)"]
        ),
        (
          "grid:\n  data.name: [stripes, stars]\n  data.folder: [nowhere]\n",
          ["(trial 1: data.name=stripes data.folder=nowhere)"]
        ),
      ], [nil, 2])
    func badFilesEndInOneLine(bad: (file: String, words: [String]), ranks: Int?) throws {
      let task = try SmallTask()
      let file = task.folder.appendingPathComponent("sweep.yaml")
      try Data(bad.file.utf8).write(to: file)
      let before = Set(try task.folder.contents().keys)
      let outcome = try Program.run(ranks: ranks, sweep(file.path, task), timeout: .seconds(30))
      #expect([64, 66].contains(outcome.status) && outcome.stdout == "", "\(outcome.stderr)")
      #expect(outcome.linesButWarnings.count == 1, "\(outcome.stderr)")
      for words in bad.words { #expect(outcome.stderr.contains(words), "\(outcome.stderr)") }
      #expect(Set(try task.folder.contents().keys) == before)
    }

    /// Runs of which the better one is known, since the other learns nothing.
    @Test func theBestIsWrittenAsAConfiguration() throws {
      let task = try SmallTask()
      let file = task.folder.appendingPathComponent("sweep.yaml")
      try Data("grid:\n  optim.text_lr: [1.0e-9, 0.01]\n  seed: [1]\nmetric: {name: loss}\n".utf8).write(to: file)
      let folder = SweepFolder(task.folder.appendingPathComponent("results"))
      let plan = try SweepPlan(
        file, files: [task.configuration], overrides: ["optim.image_lr=1.0e-9"], folder: folder.url)
      try FileManager.default.createDirectory(at: folder.url, withIntermediateDirectories: true)
      try SweepRecord(plan).write(to: folder)
      let tooEarly = try Program.run(["sweep", "best", folder.url.path])
      #expect(tooEarly.status == 66 && tooEarly.stderr.contains("no trial has loss yet: 0 of 2 have ended"))
      for trial in plan.trials {
        let settings = ["optim.image_lr=1.0e-9"] + trial.settings.map { "\($0.key)=\($0.value)" }
        let run = folder.run(of: trial)
        let outcome = try Program.run(task.trainArguments(runDirectory: run, settings))
        try #require(outcome.status == 0, "\(outcome.stderr)")
        try folder.write(TrialOutcome(trial, finishedIn: run, attempts: 1))
      }
      try expectBest(task, folder)
    }

    private func expectBest(_ task: SmallTask, _ folder: SweepFolder) throws {
      let best = task.folder.appendingPathComponent("best.yaml")
      let outcome = try Program.run(["sweep", "best", folder.url.path, "-o", best.path])
      #expect(outcome.status == 0 && outcome.stderr == "", "\(outcome.stderr)")
      #expect(outcome.stdout.contains("\noptim.text_lr=0.01\n"), "\(outcome.stdout)")
      let train = try Program.run(["train", "-c", best.path, "--set", "limits.max_steps=2"])
      #expect(train.status == 0, "\(train.stderr)")
      let files = try folder.url.contents().keys
      for name in ["best/COMPLETED", "results.csv", "trials.csv", "results.json", "results.md"] {
        #expect(files.contains(name), "\(name)")
      }
      let report = try Program.run(["sweep", "report", folder.url.path])
      #expect(report.status == 0, "\(report.stderr)")
      let page = try String(contentsOf: folder.url.appendingPathComponent("report.html"), encoding: .utf8)
      #expect(page.contains("<h1>Sweep of optim.text_lr</h1>") && !page.contains("http"))
    }

    private func sweep(_ file: String, _ task: SmallTask, _ settings: [String] = []) -> [String] {
      ["sweep", "run", file, "--dry-run", "-c", task.configuration.path] + settings.flatMap { ["--set", $0] }
    }
  }
}
