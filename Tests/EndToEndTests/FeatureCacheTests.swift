import Foundation
import TestSupport
import Testing

extension EndToEnd {
  /// Kept features in the built program: between processes, on full disks, in words.
  @Suite struct FeatureCache {
    private static let settings = ["evaluate.batch_size=8", "checkpoint.every_epochs=0"]

    private func expectEqual(_ run: RunFolder, _ truth: RunFolder) throws {
      #expect(try run.steps() == truth.steps())
      let tests = try run.url.appendingPathComponent("tests").contents()
      #expect(try !tests.isEmpty && tests == truth.url.appendingPathComponent("tests").contents())
    }

    @Test func processesShareIt() throws {
      let task = try SmallTask()
      let cache = task.folder.appendingPathComponent("cache").path
      let kept = Self.settings + ["features.cache=\(cache)"]
      for ranks in [1, 2, 3] {
        let plain = try task.train("plain-\(ranks)", ranks: ranks, Self.settings)
        try expectEqual(try task.train("kept-\(ranks)", ranks: ranks, kept), plain)
      }
      let dry = try Program.run(task.trainArguments("dry", kept) + ["--dry-run"])
      #expect(dry.status == 0 && dry.stdout.contains("features.cache: "), "\(dry.stdout)\(dry.stderr)")

      let list = try Program.run(["cache", "list", cache])
      #expect(list.status == 0 && list.stdout.contains("stripes, training images, seed 3, epoch 3, block 6, fp32"))
      #expect(list.stdout.hasSuffix("B\n") && list.stdout.contains("4 files"), "\(list.stdout)")
      let clear = try Program.run(["cache", "clear", cache])
      #expect(clear.status == 0 && clear.stdout.hasPrefix("4 files deleted"), "\(clear.stdout)")
      let nowhere = try Program.run(["cache", "list", "\(cache)/nowhere"])
      #expect(nowhere.status == 66 && nowhere.linesButWarnings.count == 1)
    }

    /// Factors of 16 bits, where the CPU has arithmetic for them: what fp32 products made is of no use to them.
    @Test func otherFactorsKeepTheirOwn() throws {
      let task = try SmallTask()
      let cache = ["features.cache=\(task.folder.appendingPathComponent("cache").path)"]
      let narrow = Self.settings + ["compute.precision=bf16"]
      let plain = try task.train("plain", narrow)
      _ = try task.train("fp32", Self.settings + cache)
      try expectEqual(try task.train("cold", narrow + cache), plain)
      let warm = try task.train("warm", narrow + cache)
      try expectEqual(warm, plain)
      let log = try String(contentsOf: warm.url.appendingPathComponent("run.log"), encoding: .utf8)
      #expect(log.contains("224 of 240 views were kept") && !log.contains("rounded otherwise"), "\(log)")
    }

    /// Weights that were tuned from the same block on share the test images' features, and so do evaluations of them.
    @Test func evaluationsReadWhatARunKept() throws {
      let task = try SmallTask()
      let cache = ["--set", "features.cache=\(task.folder.appendingPathComponent("cache").path)"]
      let run = try task.train("run", Self.settings + ["checkpoint.every_epochs=1", cache[1]])
      let arguments = [
        "evaluate", "-c", task.configuration.path, "--set", "evaluate.batch_size=8", "--checkpoint", run.url.path,
      ]
      let (plain, kept) = (try Program.run(arguments), try Program.run(arguments + cache))
      #expect(plain.status == 0 && kept.status == 0, "\(plain.stderr)\(kept.stderr)")
      #expect(
        (kept.stdout + kept.stderr).contains("features of test images: 40 of 50 views were kept"), "\(kept.stderr)")
      func table(_ outcome: ProcessRunner.Outcome) -> [Substring] {
        outcome.stdout.split(separator: "\n").filter { $0.hasPrefix("all ") }
      }
      #expect(!table(plain).isEmpty && table(plain) == table(kept), "\(plain.stdout)")
    }

    /// A killed run leaves what it kept, and no more than that.
    @Test func aKilledRunLeavesWholeFeatures() async throws {
      let task = try SmallTask()
      let cache = task.folder.appendingPathComponent("cache").path
      let kept = Self.settings + ["features.cache=\(cache)"]
      let arguments = task.trainArguments("killed", kept + ["optim.epochs=100000"])
      let job = Task.detached { try Program.run(arguments) }
      let run = RunFolder(task.run("killed"))
      try await JobWatch.wait { try run.steps().count >= 20 }
      let process = try #require(JobWatch.process(named: "skiptune", mentioning: run.url.path))
      #expect(kill(process, SIGKILL) == 0)
      _ = try await job.value
      try expectEqual(try task.train("after", kept), try task.train("plain", Self.settings))
    }

    @Test(.enabled("mounting a small disk is not allowed here") { try PrivateMounts.areAllowed() })
    func aFullDiskIsOneWarning() throws {
      let task = try SmallTask()
      let plain = try task.train("plain", Self.settings)
      for size in ["16k", "600k"] {
        let cache = task.folder.appendingPathComponent("disk-\(size)")
        try FileManager.default.createDirectory(at: cache, withIntermediateDirectories: true)
        let outcome = try PrivateMounts.run(
          "mount -t tmpfs -o size=\(size) none \"$0\" && exec \"$@\"",
          [cache.path, BuiltProducts.url("skiptune").path]
            + task.trainArguments("full-\(size)", Self.settings + ["features.cache=\(cache.path)"]),
          environment: MPIRun.cleanEnvironment)
        #expect(outcome.status == 0, "\(outcome.stderr)")
        try expectEqual(RunFolder(task.run("full-\(size)")), plain)
        let warnings = (outcome.stderr + outcome.stdout).split(separator: "\n").filter {
          $0.contains("features.cache: ")
        }
        #expect((1...2).contains(warnings.count) && warnings.allSatisfy { $0.contains("No space left") }, "\(warnings)")
      }
    }
  }
}
