import Foundation
import StrictJSON
import TestSupport
import Testing

extension EndToEnd {
  /// Ranks that evaluate while others train, under mpirun.
  @Suite struct BackgroundEvaluation {
    private static let oneThread = ["OMP_NUM_THREADS": "1"]
    private static let settings = [
      "task=base-to-new", "evaluate.zero_shot=false", "evaluate.ranks=1", "checkpoint.keep_best=harmonic_mean",
      "checkpoint.keep_last=9",
    ]

    private func results(_ run: RunFolder) throws -> JSONValue {
      let file = run.url.appendingPathComponent("results.json")
      return try JSONValue(parsing: Array(Data(contentsOf: file)), file: file.path)
    }

    /// Steps, data sets and counts of all evaluations of metrics.jsonl, sorted.
    private func records(_ run: RunFolder) throws -> [String] {
      try run.metricLines().filter { $0.hasPrefix("{\"test\": \"checkpoint\"") }.sorted()
    }

    @Test func trainingAndCountsAreThoseOfRunsApart() throws {
      let task = try SmallTask()
      let plain = try task.train(
        "plain", ranks: 2, ["task=base-to-new", "evaluate.zero_shot=false"], environment: Self.oneThread)
      let divided = try task.train("divided", ranks: 3, Self.settings, environment: Self.oneThread)
      #expect(try plain.steps() == divided.steps())
      #expect(try plain.weightBytes() == divided.weightBytes())
      let results = try results(divided)
      let evaluations = try #require(results["evaluations"]?.elements)
      #expect(evaluations.last?["step"]?.integer == 30)
      #expect(try records(divided).count == 3 * evaluations.count)

      // The same by skiptune evaluate: of every checkpoint, and of the best by its pointer.
      let folders = evaluations.compactMap { $0["checkpoint"]?.string }.map {
        divided.url.appendingPathComponent("checkpoints/\($0)").path
      }
      let output = task.folder.appendingPathComponent("out")
      let outcome = try Program.run(
        [
          "evaluate", "-c", task.configuration.path, "--set", "task=base-to-new", "--output-dir", output.path,
          "--checkpoint",
        ]
          + folders + [divided.url.appendingPathComponent("best").path], environment: Self.oneThread)
      try #require(outcome.status == 0, "\(outcome.stderr)")
      let file = output.appendingPathComponent("results.json")
      let tests = try #require(
        try JSONValue(parsing: Array(Data(contentsOf: file)), file: file.path)["tests"]?.elements)
      let keys = ["set", "images", "correct", "top5", "macro_f1", "calibration_error"]
      func numbers(_ test: JSONValue) -> [JSONValue?] { keys.map { test[$0] } }
      let found = evaluations.flatMap { $0["tests"]?.elements ?? [] }.map(numbers)
      #expect(tests.prefix(found.count).map(numbers) == found)
      let best = try #require(evaluations.first { $0["step"]?.integer == results["best"]?["step"]?.integer })
      let expected = try #require(best["tests"]?.elements).map(numbers)
      #expect(tests.suffix(2).map(numbers) == expected)
    }

    @Test func aKilledRunRedoesNothingAndMissesNothing() async throws {
      let task = try SmallTask()
      // Where it ends is told when it is known how far it came: the first job does not end by itself.
      let endless = ["optim.epochs=100000"]
      let settings = Self.settings + endless + ["evaluate.batch_size=1", "evaluate.chunk_images=1"]
      let arguments = task.trainArguments("run", settings)
      let job = Task.detached {
        try MPIRun.run(
          ranks: 3, program: "skiptune", arguments: arguments, environment: Self.oneThread, timeout: .seconds(90))
      }
      let run = RunFolder(task.run("run"))
      func lines(_ name: String) -> [String] {
        let text = (try? String(contentsOf: run.url.appendingPathComponent(name), encoding: .utf8)) ?? ""
        return text.split(separator: "\n").map(String.init)
      }
      try await JobWatch.wait {
        lines("evaluations.jsonl").count >= 2 && lines("evaluations/journal.jsonl").count >= 70
      }
      for rank in 0..<3 { JobWatch.process(ofRank: rank, mentioning: run.url.path).map { _ = kill($0, SIGKILL) } }
      #expect(try await job.value.status != 0)
      let (known, journal) = (lines("evaluations.jsonl"), lines("evaluations/journal.jsonl"))
      let last = try #require(run.steps().last?.step) + 50
      let end = "limits.max_steps=\(last)"
      _ = try task.train("run", ranks: 3, settings + [end], environment: Self.oneThread)
      #expect(lines("evaluations.jsonl").prefix(known.count) == known[...], "nothing is evaluated twice")
      let after = lines("evaluations/journal.jsonl")
      #expect(after.prefix(journal.count - 1) == journal.dropLast()[...])
      let evaluated = try #require(try results(run)["evaluations"]?.elements)
      // A chunk is an image: as many as the evaluated checkpoints have, and those of one that was cut off.
      #expect(after.count <= 50 * evaluated.count + 1, "no image is tested twice")
      #expect(Set(try records(run)).count == 3 * evaluated.count, "every evaluation is in metrics.jsonl")
      #expect(try records(run).count == 3 * evaluated.count, "once")
      #expect(evaluated.last?["step"]?.integer == last)
      let whole = try task.train(
        "whole", ranks: 2, ["task=base-to-new", "evaluate.zero_shot=false", end] + endless, environment: Self.oneThread)
      #expect(try run.weightBytes() == whole.weightBytes())
    }

    /// A signal to an evaluating rank, or to one that trains: one line, status 75, the state saved.
    @Test(arguments: [2, 1]) func aSignalEndsAllRanks(rank: Int) async throws {
      let task = try SmallTask()
      let arguments = task.trainArguments("run", Self.settings + ["optim.epochs=100000"])
      let job = Task.detached {
        try MPIRun.run(
          ranks: 3, program: "skiptune", arguments: arguments, environment: Self.oneThread, timeout: .seconds(90))
      }
      let run = RunFolder(task.run("run"))
      try await JobWatch.wait { try !self.records(run).isEmpty }
      let process = try #require(JobWatch.process(ofRank: rank, mentioning: run.url.path))
      #expect(kill(process, SIGUSR1) == 0)
      let outcome = try await job.value
      #expect(outcome.status == 75 && !outcome.timedOut, "\(outcome.stderr)")
      #expect(outcome.linesButWarnings.filter { $0.contains(" error ") }.count == 1, "\(outcome.stderr)")
      #expect(outcome.stderr.contains("stopped by a signal; the state after"), "\(outcome.stderr)")
    }

    @Test func aStoppedEvaluatingRankIsNamed() async throws {
      let task = try SmallTask()
      let arguments = task.trainArguments(
        "run", Self.settings + ["optim.epochs=100000", "limits.collective_timeout=2"])
      let job = Task.detached {
        try MPIRun.run(
          ranks: 3, program: "skiptune", arguments: arguments, environment: Self.oneThread, timeout: .seconds(90))
      }
      let run = RunFolder(task.run("run"))
      try await JobWatch.wait { try !self.records(run).isEmpty }
      let process = try #require(JobWatch.process(ofRank: 2, mentioning: run.url.path))
      #expect(kill(process, SIGSTOP) == 0)
      let outcome = try await job.value
      #expect(outcome.status == 70 && !outcome.timedOut, "\(outcome.stderr)")
      #expect(outcome.stderr.contains("rank 2 on host "), "\(outcome.stderr)")
      #expect(JobWatch.process(ofRank: 2, mentioning: run.url.path) == nil)
    }

    @Test func wrongUseIsOneLine() throws {
      let task = try SmallTask()
      let cases: [(settings: [String], words: String)] = [
        (["evaluate.ranks=2"], "evaluate.ranks: of 2 ranks, 2 would evaluate and none would train"),
        (["evaluate.ranks=-1"], "evaluate.ranks is -1"),
        (["evaluate.ranks=1", "evaluate.every_epochs=1"], "cannot be combined with evaluate.ranks"),
        (["evaluate.ranks=1", "checkpoint.every_epochs=0"], "needs a training that saves checkpoints"),
        (["checkpoint.keep_best=accuracy"], "needs checkpoints that are evaluated"),
        (["evaluate.ranks=1", "checkpoint.keep_best=harmonic_mean"], "needs base and new classes"),
        (["evaluate.ranks=1", "checkpoint.keep_best=loss", "limits.patience=1"], "needs a number of evaluations"),
        (["evaluate.datasets=[EuroSAT]"], "is about evaluations during training only"),
        (["evaluate.ranks=1", "evaluate.datasets=[EuroSAD]"], "did you mean EuroSAT?"),
      ]
      for (settings, words) in cases {
        let outcome = try Program.run(ranks: 2, task.trainArguments("run", settings), environment: Self.oneThread)
        #expect(outcome.status == 64 && outcome.stderr.contains(words), "\(outcome.stderr)")
        #expect(outcome.linesButWarnings.count == 1 && outcome.stdout == "", "\(outcome.stderr)")
      }
      #expect(!FileManager.default.fileExists(atPath: task.run("run").path))
    }
  }
}
