import Foundation
import StrictJSON
import TestSupport
import Testing

/// A small model and the data sets of a root, for `skiptune evaluate` with many of both.
struct EvaluationSetting {
  let task: SmallTask
  let root: DataRoot
  let names: [String]

  init(_ names: [String] = DataRoot.known) throws {
    self.names = names
    task = try SmallTask()
    root = try DataRoot(names, wild: false)
  }

  func output(_ name: String) -> URL { task.folder.appendingPathComponent(name) }

  /// Every data set, all classes; small batches, so that there are many.
  func arguments(_ output: String, _ settings: [String] = [], _ more: [String] = []) -> [String] {
    let fixed = [
      "data.root=\(root.scratch.url.path)", "data.split_file=null", "data.template=a {}", "evaluate.batch_size=4",
    ]
    return ["evaluate", "-c", task.configuration.path, "--output-dir", self.output(output).path]
      + (fixed + settings).flatMap { ["--set", $0] } + ["--datasets"] + names + more
  }

  func results(_ output: String) throws -> JSONValue {
    let file = self.output(output).appendingPathComponent("results.json")
    return try JSONValue(parsing: Array(Data(contentsOf: file)), file: file.path)
  }

  /// Lines of the journal that are whole: `(test, first image)`.
  func journal(_ output: String) -> [String] {
    let file = self.output(output).appendingPathComponent("journal.jsonl")
    guard let text = try? String(contentsOf: file, encoding: .utf8) else { return [] }
    return text.split(separator: "\n", omittingEmptySubsequences: true).dropLast(text.hasSuffix("\n") ? 0 : 1)
      .map(String.init)
  }

  /// What counts: nothing of who computed it.
  static func counts(_ results: JSONValue) -> [JSONValue?] {
    [results["state"], results["tests"], results["harmonic_means"], results["averages"], results["missing"]]
  }
}

extension EndToEnd {
  @Suite struct EvaluationJobs {
    /// Rounding depends on the threads of a rank, so each has one.
    private static let oneThread = ["OMP_NUM_THREADS": "1"]

    @Test func theSameCountsHoweverWorkIsShared() throws {
      let setting = try EvaluationSetting(["ImageNet", "EuroSAT", "ImageNetA"])
      let run = try setting.task.train("run", ["limits.max_steps=20"])
      let delta = setting.output("delta").path
      let exported = try Program.run(
        ["checkpoint", "export", run.url.path, "--model", setting.task.model.path, "-o", delta, "--format", "delta"])
      try #require(exported.status == 0, "\(exported.stderr)")
      let models = ["--checkpoint", "zero-shot", run.url.path, delta]
      var expected: [JSONValue?]?
      let cases: [(ranks: Int?, settings: [String])] = [
        (nil, []), (2, []), (3, ["evaluate.chunk_images=4"]), (4, ["evaluate.chunk_images=64"]),
        (2, ["evaluate.coordinator=dedicated"]), (3, ["evaluate.coordinator=dedicated", "evaluate.chunk_images=9"]),
        (4, ["evaluate.coordinator=dedicated", "evaluate.chunk_seconds=0.01"]),
        (nil, ["evaluate.coordinator=dedicated"]),
      ]
      for (index, (ranks, settings)) in cases.enumerated() {
        let outcome = try Program.run(
          ranks: ranks, setting.arguments("out-\(index)", settings + ["task=base-to-new"], models),
          environment: Self.oneThread)
        try #require(outcome.status == 0, "\(outcome.stderr)")
        let counts = EvaluationSetting.counts(try setting.results("out-\(index)"))
        #expect(expected == nil || counts == expected, "\(String(describing: ranks)) ranks, \(settings)")
        expected = expected ?? counts
      }
      try checkContent(try setting.results("out-0"))
    }

    /// Three models, three data sets, base and new classes.
    private func checkContent(_ results: JSONValue) throws {
      let tests = try #require(results["tests"]?.elements)
      #expect(tests.count == 18 && results["state"]?.string == "finished")
      let expected = try DatasetTrees.items()
      for test in tests where test["set"]?.string == "base" {
        let items = try #require(expected[test["dataset"]?.string ?? ""])
        let base = (items.class_names.count + 1) / 2
        #expect(test["images"]?.integer == items.test.count { $0.label < base })
        #expect(test["per_class"]?.elements?.count == base)
      }
      func numbers(_ kind: String) -> [JSONValue?] {
        tests.filter { $0["weights"]?.string == kind }.flatMap { [$0["correct"], $0["top5"], $0["calibration_error"]] }
      }
      #expect(numbers("delta") == numbers("checkpoint"), "the same weights by another route")
      #expect(numbers("delta") != numbers("zero-shot"))
      #expect(results["harmonic_means"]?.elements?.count == 9 && results["averages"]?.elements?.count == 3)
    }

    /// Whatever was trained: a job counts what training counted, before and after.
    @Test(arguments: ["skip-tuning", "adapter", "linear-probe", "prompt-tuning"])
    func aJobFindsWhatTrainingMeasured(method: String) throws {
      let task = try SmallTask()
      let kind = "method.kind=\(method)"
      let run = try task.train("run", [kind, "limits.max_steps=20"])
      let measured = try JSONValue(
        parsing: Array(Data(contentsOf: run.url.appendingPathComponent("results.json"))), file: "results.json")
      let output = task.folder.appendingPathComponent("out")
      let outcome = try Program.run(
        ranks: 2,
        ["evaluate", "-c", task.configuration.path, "--set", kind, "--checkpoint", "zero-shot", run.url.path]
          + ["--output-dir", output.path])
      try #require(outcome.status == 0, "\(outcome.stderr)")
      // The checkpoint's own folder: the same weights, which are not tested twice.
      let newest = run.url.appendingPathComponent("checkpoints/step-00000020").path
      let journal = output.appendingPathComponent("journal.jsonl")
      let lines = try Data(contentsOf: journal)
      let again = try Program.run(
        ["evaluate", "-c", task.configuration.path, "--set", kind, "--checkpoint", "zero-shot", newest, run.url.path]
          + ["--output-dir", output.path])
      #expect(try again.status == 0 && Data(contentsOf: journal) == lines, "\(again.stderr)")
      let results = try JSONValue(
        parsing: Array(Data(contentsOf: output.appendingPathComponent("results.json"))), file: "results.json")
      let tests = try #require(results["tests"]?.elements)
      for (test, name) in zip(tests, ["zero_shot", "tuned", "tuned"]) {
        let score = try #require(measured[name]?["scores"]?["all"])
        #expect(test["correct"] == score["correct"] && test["macro_f1"] == score["macro_f1"], "\(name)")
      }
      #expect(tests.count == 3)
    }

    /// Fifteen data sets in one job that is killed; the restart does what is missing and nothing else.
    @Test func aKilledJobGoesOn() async throws {
      let setting = try EvaluationSetting()
      let settings = ["evaluate.batch_size=1", "evaluate.chunk_images=1"]
      let run = try setting.task.train("run", ["limits.max_steps=20"])
      let models = ["--checkpoint", "zero-shot", run.url.path]
      let whole = try Program.run(setting.arguments("whole", settings, models), environment: Self.oneThread)
      try #require(whole.status == 0, "\(whole.stderr)")
      let images = setting.journal("whole").count
      #expect(
        images == 2
          * (try DatasetTrees.items().filter { DataRoot.known.contains($0.key) }).values.reduce(0) {
            $0 + $1.test.count
          })

      let arguments = setting.arguments("killed", settings, models)
      let job = Task.detached {
        try MPIRun.run(
          ranks: 3, program: "skiptune", arguments: arguments, environment: Self.oneThread, timeout: .seconds(90))
      }
      try await JobWatch.wait { setting.journal("killed").count >= images / 3 }
      for rank in 0..<3 {
        if let process = JobWatch.process(ofRank: rank, mentioning: setting.output("killed").path) {
          kill(process, SIGKILL)
        }
      }
      _ = try await job.value
      let before = setting.journal("killed")
      try #require(before.count < images, "the job was done before it was killed")
      let again = try Program.run(ranks: 2, arguments, environment: Self.oneThread)
      try #require(again.status == 0, "\(again.stderr)")
      #expect(again.stderr.contains("\(before.count) of \(images) images are tested already"), "\(again.stderr)")
      let after = setting.journal("killed")
      #expect(
        after.count == images && Array(after.prefix(before.count)) == before
          && Set(after) == Set(setting.journal("whole")))
      #expect(
        EvaluationSetting.counts(try setting.results("killed"))
          == EvaluationSetting.counts(try setting.results("whole")))
      let nothing = try Program.run(arguments, environment: Self.oneThread)
      #expect(nothing.status == 0 && setting.journal("killed") == after, "what is finished is not done again")
    }

    /// A rank that is killed or stopped is named, and the restart comes to the same.
    @Test(arguments: [SIGKILL, SIGSTOP], [1, 0]) func aLostRank(signal: Int32, victim: Int) async throws {
      let setting = try EvaluationSetting(["ImageNetA", "ImageNetR"])
      let settings = ["evaluate.batch_size=1", "evaluate.chunk_images=1", "limits.collective_timeout=2"]
      let arguments = setting.arguments("out", settings)
      let job = Task.detached {
        try MPIRun.run(
          ranks: 3, program: "skiptune", arguments: arguments, environment: Self.oneThread, isQuiet: false,
          timeout: .seconds(90))
      }
      try await JobWatch.wait { setting.journal("out").count >= 60 }
      let process = try #require(JobWatch.process(ofRank: victim, mentioning: setting.output("out").path))
      let lost = ContinuousClock.now
      #expect(kill(process, signal) == 0)
      let outcome = try await job.value
      #expect(lost.duration(to: .now) < .seconds(30) && !outcome.timedOut)
      try #require(outcome.status != 0, "the job was done before its rank was lost")
      let words = signal == SIGKILL ? "process rank \(victim)" : "rank \(victim) on host "
      #expect(outcome.stderr.contains(words), "\(outcome.stderr)")
      #expect(try setting.results("out")["state"]?.string == "partial")
      let before = setting.journal("out")
      let again = try Program.run(ranks: 3, arguments, environment: Self.oneThread)
      try #require(again.status == 0, "\(again.stderr)")
      #expect(Array(setting.journal("out").prefix(before.count)) == before && setting.journal("out").count == 400)
      let whole = try Program.run(setting.arguments("whole", settings), environment: Self.oneThread)
      #expect(whole.status == 0)
      #expect(
        EvaluationSetting.counts(try setting.results("out")) == EvaluationSetting.counts(try setting.results("whole")))
    }

    /// A scheduler's signal: status 75, what is known is there and labelled.
    @Test func aJobThatIsAskedToStop() async throws {
      let setting = try EvaluationSetting(["ImageNetA", "ImageNetR"])
      let arguments = setting.arguments("out", ["evaluate.batch_size=1", "evaluate.chunk_images=1"])
      let job = Task.detached {
        try MPIRun.run(
          ranks: 2, program: "skiptune", arguments: arguments, environment: Self.oneThread, timeout: .seconds(90))
      }
      try await JobWatch.wait { setting.journal("out").count >= 40 }
      let process = try #require(JobWatch.process(ofRank: 1, mentioning: setting.output("out").path))
      #expect(kill(process, SIGUSR1) == 0)
      let outcome = try await job.value
      #expect(
        outcome.status == 75 && outcome.stderr.contains("start the same command again to go on"), "\(outcome.stderr)")
      let results = try setting.results("out")
      #expect(results["state"]?.string == "partial")
      let done = try #require(results["tests"]?.elements).compactMap { $0["done"]?.integer }
      #expect(done.reduce(0, +) == setting.journal("out").count)
      let table = try String(contentsOf: setting.output("out").appendingPathComponent("results.md"), encoding: .utf8)
      #expect(table.contains("partial ("))
    }

    @Test func aDamagedJournalIsNoObstacle() throws {
      let setting = try EvaluationSetting(["EuroSAT", "ImageNet"])
      let arguments = setting.arguments("out")
      let first = try Program.run(arguments, environment: Self.oneThread)
      try #require(first.status == 0, "\(first.stderr)")
      let expected = EvaluationSetting.counts(try setting.results("out"))
      let journal = setting.output("out").appendingPathComponent("journal.jsonl")
      var lines = setting.journal("out")
      let count = lines.count
      lines[0] = lines[0].replacing("[", with: "[7,", maxReplacements: 1)
      let text = lines.joined(separator: "\n").dropLast(20)
      try Data(text.utf8).write(to: journal)
      let again = try Program.run(ranks: 2, arguments, environment: Self.oneThread)
      #expect(
        again.status == 0 && again.stderr.contains("2 lines of the journal are cut off or damaged"), "\(again.stderr)")
      #expect(EvaluationSetting.counts(try setting.results("out")) == expected)
      #expect(setting.journal("out").count == count + 2)
    }

    @Test(arguments: [nil, 3]) func troubleFollowsRules(ranks: Int?) throws {
      let setting = try EvaluationSetting(["ImageNetA", "EuroSAT"])
      let bad = setting.root.image("ImageNetA", 7)
      try Data(contentsOf: bad).prefix(500).write(to: bad)
      let fails = try Program.run(ranks: ranks, setting.arguments("fails"))
      #expect(fails.status == 65 && fails.stderr.contains(bad.lastPathComponent), "\(fails.stderr)")
      #expect(fails.linesButWarnings.filter { $0.contains(" error ") }.count == 1, "\(fails.stderr)")
      #expect(try setting.results("fails")["state"]?.string == "partial")

      let skips = try Program.run(ranks: ranks, setting.arguments("skips", ["evaluate.on_bad_image=skip"]))
      #expect(skips.status == 0 && skips.stderr.contains("skipped: "), "\(skips.stderr)")
      let test = try #require(try setting.results("skips")["tests"]?.elements?.first)
      #expect(test["images"]?.integer == 199 && test["done"]?.integer == 200 && test["state"]?.string == "finished")
      let skipped = try #require(test["skipped"]?.elements)
      #expect(skipped.count == 1 && bad.path.hasSuffix(skipped[0]["path"]?.string ?? "?"))
      // The class of the bad image has no other one: it counts in no mean.
      let empty = try #require(test["per_class"]?.elements).filter { $0["images"] == .integer(0) }
      #expect(empty.count == 1 && empty[0]["accuracy"] == nil)

      try FileManager.default.removeItem(at: setting.root.scratch.file("eurosat"))
      let missing = try Program.run(ranks: ranks, setting.arguments("missing", ["evaluate.on_bad_image=skip"]))
      #expect(missing.status == 66 && missing.linesButWarnings.count == 1, "\(missing.stderr)")
      let settings = ["evaluate.on_bad_image=skip", "evaluate.on_missing_data=skip"]
      let left = try Program.run(ranks: ranks, setting.arguments("left", settings))
      #expect(left.status == 0 && left.stderr.contains("EuroSAT is left out: "), "\(left.stderr)")
      let results = try setting.results("left")
      #expect(results["state"]?.string == "partial" && results["tests"]?.elements?.count == 1)
      #expect(results["missing"]?.elements?.first?["dataset"]?.string == "EuroSAT")
      #expect(left.stdout.contains("missing"))
    }

    @Test func wrongUseIsOneLine() throws {
      let setting = try EvaluationSetting(["EuroSAT"])
      let other = setting.output("other")
      try FileManager.default.createDirectory(at: other, withIntermediateDirectories: false)
      try Data("mine".utf8).write(to: other.appendingPathComponent("mine"))
      let cases: [(arguments: [String], status: Int32, words: String)] = [
        (setting.arguments("a", [], ["EuroSAT"]), 64, "\"EuroSAT\" is named twice"),
        (setting.arguments("b", [], ["--checkpoint", "zero-shot", "zero-shot"]), 64, "\"zero-shot\" is named twice"),
        (setting.arguments("c", [], ["EuroSAD"]), 64, "did you mean EuroSAT?"),
        (setting.arguments("d", [], ["--checkpoint", "zero-shot", "nowhere"]), 66, "there is no such folder"),
        (setting.arguments("other"), 73, "holds files that are not of an evaluation, such as mine"),
        (setting.arguments("e", ["evaluate.on_bad_image=maybe"]), 64, "fail"),
      ]
      for (arguments, status, words) in cases {
        let outcome = try Program.run(arguments)
        #expect(outcome.status == status && outcome.stderr.contains(words), "\(outcome.stderr)")
        #expect(outcome.linesButWarnings.count == 1 && outcome.stdout == "", "\(outcome.stderr)")
      }
    }
  }
}
