import Foundation
import TestSupport
import Testing

extension EndToEnd {
  @Suite struct Plan {
    @Test func aPlanNeedsNothingButNumbers() throws {
      let scratch = try ScratchFolder()
      let file = scratch.file("plan.json")
      let outcome = try Program.run([
        "plan", "--ranks", "1,3,8-100000", "--link-gbit", "1", "--gflops", "90", "--batch-per-rank", "2", "--json",
        file.path,
      ])
      #expect(outcome.status == 0, "\(outcome.stderr)")
      for words in ["Skip Tuning", "Full fine-tuning", "100,000", "efficiency", "bf16 exchange"] {
        #expect(outcome.stdout.contains(words), "\(words)")
      }
      let plan = try JSONSerialization.jsonObject(with: Data(contentsOf: file)) as? [String: Any]
      let rows = try #require(plan?["skip_tuning"] as? [[String: Any]])
      #expect(rows.compactMap { $0["ranks"] as? Int }.prefix(4) == [1, 3, 8, 16])
      #expect(rows.last?["ranks"] as? Int == 100_000)
    }

    @Test(arguments: [
      (["--ranks", "4-2"], "must list numbers from 1 to 100000"), (["--ranks", "0"], "must list numbers"),
      (["--ranks", "2,x"], "must list numbers"), (["--start-layer", "13"], "lies beyond the model's 12 blocks"),
      (["--batch", "4", "--batch-per-rank", "4"], "contradicts"), (["--tokens", "78"], "the model reads 77"),
      (["--shape", "ViT-G/14"], "is no known shape"), (["--link-gbit", "0"], "must be above 0"),
      (["--hidden-share", "2"], "must be from 0 to 1"),
    ])
    func whatCannotBePlannedIsAUsageError(arguments: [String], problem: String) throws {
      let outcome = try Program.run(["plan"] + arguments)
      #expect(outcome.status == 64)
      #expect(outcome.stderr.contains(problem), "\(outcome.stderr)")
      #expect(outcome.stderr.split(separator: "\n").count == 1)
    }

    /// Numbers of a run's results.json, through the machine's file, to a comparison; how close it is, no test can know.
    @Test func aRunCanBeComparedWithItsForecast() throws {
      let task = try SmallTask()
      let scratch = try ScratchFolder()
      let run = try task.train("run", ranks: 2, ["limits.max_steps=5"])
      let machine = scratch.file("machine.json")
      let bench = try Program.run(
        ranks: 2, ["bench", "machine", "--model", task.model.path, "--json", machine.path], timeout: .seconds(120))
      #expect(bench.status == 0, "\(bench.stderr)")
      #expect(bench.stdout.contains("(same host)") && bench.stdout.contains("all-reduce"))
      let results = run.url.appendingPathComponent("results.json").path
      let outcome = try Program.run([
        "plan", "--machine", machine.path, "--validate", results, "--tolerance", "1e9",
      ])
      #expect(outcome.status == 0, "\(outcome.stderr)")
      #expect(outcome.stdout.contains("1 of 1 forecasts are within"))
      let strict = try Program.run([
        "plan", "--machine", machine.path, "--validate", results, "--tolerance", "1e-9",
      ])
      #expect(strict.status == 65 && strict.stderr.contains("1 of 1 forecasts are off"), "\(strict.stderr)")
      let lost = try Program.run(["plan", "--validate", task.configuration.path])
      #expect(lost.status == 65, "\(lost.stderr)")
    }
  }
}
