import Foundation
import TestSupport
import Testing

extension EndToEnd {
  @Suite struct Doctor {
    @Test(arguments: [nil, 2]) func itTellsWhatItFinds(ranks: Int?) throws {
      let task = try SmallTask()
      let scratch = try ScratchFolder()
      let file = scratch.file("doctor.json")
      let outcome = try Program.run(
        ranks: ranks,
        [
          "doctor", "--run-dir", scratch.file("run").path, "--model", task.model.path, "-c", task.configuration.path,
          "--json", file.path,
        ], environment: ["OMP_NUM_THREADS": "1"])
      #expect(outcome.status == 0, "\(outcome.stderr)")
      let lines = ["products, fp32", "memory of the configured run", "Open MPI", "run directory", "open files"]
      for words in lines { #expect(outcome.stdout.contains(words), "\(words)") }
      #expect(outcome.stdout.components(separatedBy: "products, fp32").count == 2, "one voice")
      #expect(outcome.stdout.contains("rank 0   rank 1") == (ranks == 2))
      let report = try #require(try JSONSerialization.jsonObject(with: Data(contentsOf: file)) as? [String: Any])
      #expect((report["ranks"] as? [Any])?.count == ranks ?? 1)
      #expect((report["links"] as? [Any])?.count == (ranks == 2 ? 1 : 0))
      #expect(try scratch.url.contents().keys.sorted() == ["doctor.json"])
    }

    @Test func anErrorHasItsStatusOnAllRanks() throws {
      let scratch = try ScratchFolder()
      try Data().write(to: scratch.file("file"))
      let outcome = try Program.run(
        ranks: 2,
        ["doctor", "--run-dir", scratch.file("file").path + "/run", "-c", scratch.file("none.yaml").path])
      #expect(outcome.status == 66, "\(outcome.stderr)")
      #expect(outcome.stdout.contains("error: \(scratch.file("none.yaml").path): there is no such configuration file"))
      #expect(outcome.stdout.contains("nothing can be created here"))
      #expect(outcome.stderr.contains("2 things are wrong; see the list above"), "\(outcome.stderr)")
    }
  }

  @Suite struct ConfigurationCommand {
    @Test func aSettingIsExplained() throws {
      let task = try SmallTask()
      let plain = try Program.run(["config", "--explain", "seed"])
      #expect(plain.status == 0 && plain.stdout.hasPrefix("seed\n  draws the few-shot subset"), "\(plain.stdout)")
      #expect(plain.stdout.contains("default: 1\n  more: docs/configuration.md"))
      let outcome = try Program.run([
        "config", "--explain", "model.path", "-c", task.configuration.path, "--set", "model.path=elsewhere",
      ])
      #expect(outcome.status == 0, "\(outcome.stderr)")
      #expect(outcome.stdout.contains("set: in --set, replacing \(task.configuration.path):"), "\(outcome.stdout)")
      let open = try Program.run(["config", "--explain", "run_dir", "-c", task.configuration.path])
      #expect(open.stdout.contains("default: none, it must be given"), "\(open.stdout)")
      let section = try Program.run(["config", "--explain", "limits"])
      #expect(section.stdout.hasPrefix("limits: ") && section.stdout.contains("\nlimits.max_steps\n"))
    }

    @Test(arguments: [
      (["config", "--explain", "model.pth"], "did you mean model.path?"),
      (["config", "--explain", "start_layr"], "did you mean method.start_layer?"),
      (["doctor", "--set", "seed=1"], "give that with -c, too"),
      (["config", "--explain", "qqqqqqqq"], "there is no setting qqqqqqqq"),
      (["config", "--set", "seed=1"], "--explain"),
    ])
    func whatDoesNotGoTogetherIsAUsageError(arguments: [String], words: String) throws {
      let outcome = try Program.run(arguments)
      #expect(outcome.status == 64 && outcome.stderr.contains(words), "\(outcome.stderr)")
    }
  }
}
