import Foundation
import TestSupport
import Testing

extension EndToEnd {
  @Suite struct RunDirectory {
    @Test(arguments: [nil, 2]) func aFinishedRunIsNeverOverwritten(ranks: Int?) throws {
      let task = try SmallTask()
      let run = try task.train("run", ["limits.max_steps=2"])
      let before = try run.url.contents()
      let outcome = try Program.run(ranks: ranks, task.trainArguments("run"))
      #expect(outcome.status == 73)
      #expect(outcome.stdout == "")
      #expect(outcome.linesButWarnings.count == 1, "\(outcome.stderr)")
      #expect(outcome.stderr.contains(run.url.path) && outcome.stderr.contains("give another --run-dir"))
      #expect(try run.url.contents() == before)
    }

    @Test func anUnfinishedRunIsMovedAside() throws {
      let task = try SmallTask()
      let failed = try Program.run(task.trainArguments("run", ["optim.text_lr=1e30", "optim.image_lr=1e30"]))
      #expect(failed.status == 65)
      let problem = "step 21: the loss is not a number on rank 0: training has diverged; lower optim.text_lr"
      #expect(failed.stderr.contains(problem), "\(failed.stderr)")
      let left = try task.run("run").contents()
      #expect(left["COMPLETED"] == nil && left["results.json"] == nil && left["model"] == nil)
      let run = try task.train("run", ["limits.max_steps=2"], resume: "never")
      for name in ["metrics.jsonl", "config.resolved.yaml", "run.log"] {
        let aside = try Data(contentsOf: run.url.appendingPathComponent("previous-1/\(name)"))
        #expect(aside == left[name], "\(name)")
      }
      #expect(try run.steps().count == 2)
      #expect(try run.url.contents()["COMPLETED"] != nil)
    }

    @Test(arguments: [nil, 2]) func aDryRunWritesNothing(ranks: Int?) throws {
      let task = try SmallTask()
      let before = try task.folder.contents()
      let outcome = try Program.run(ranks: ranks, task.trainArguments("run") + ["--dry-run"])
      #expect(outcome.status == 0)
      #expect(outcome.linesButWarnings == [])
      #expect(outcome.stdout.contains("80 training images of 10 classes"))
      #expect(outcome.stdout.contains("20 steps of 4 images per epoch, 60 in all"))
      #expect(try task.folder.contents() == before)
      // A dry run judges all that a run judges.
      let judged = try Program.run(
        ranks: ranks, task.trainArguments("run", ["method.start_layer=13"]) + ["--dry-run"])
      #expect(judged.status == 64)
    }

    @Test func theResolvedConfigurationRepeatsTheRun() throws {
      let task = try SmallTask()
      let run = try task.train("run", ["limits.max_steps=5", "optim.text_lr=0.003"])
      let resolved = run.url.appendingPathComponent("config.resolved.yaml").path
      let outcome = try Program.run(["train", "-c", resolved, "--run-dir", task.run("again").path])
      #expect(outcome.status == 0, "\(outcome.stderr)")
      #expect(try RunFolder(task.run("again")).steps() == run.steps())
    }
  }
}
