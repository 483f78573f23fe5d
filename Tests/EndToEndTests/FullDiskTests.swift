import Foundation
import TestSupport
import Testing

extension EndToEnd {
  /// Disks that have no room, or take nothing, during training.
  @Suite struct FullDisk {
    private static let settings = [
      "evaluate.zero_shot=false", "evaluate.tuned=false", "output.save_model=false", "checkpoint.every_steps=5",
      "checkpoint.keep_last=2",
    ]

    /// Runs the program by a shell that has changed what it may do; `$0` is the program, `$@` its arguments.
    private static func run(_ script: String, _ arguments: [String]) throws -> ProcessRunner.Outcome {
      try ProcessRunner.run(
        URL(fileURLWithPath: "/bin/bash"), ["-c", script, BuiltProducts.url("skiptune").path] + arguments,
        environment: MPIRun.cleanEnvironment, timeout: .seconds(60))
    }

    /// Files may have 200 KiB, a shard would have over 500.
    private static let smallFiles = "trap '' XFSZ; ulimit -f 200; exec \"$0\" \"$@\""

    @Test func aRunGoesOnWithoutCheckpointsWhereItMay() throws {
      let task = try SmallTask()
      let outcome = try Self.run(
        Self.smallFiles, task.trainArguments("run", Self.settings + ["checkpoint.on_error=continue"]))
      #expect(outcome.status == 0, "\(outcome.stderr)")
      let warnings = outcome.stderr.split(separator: "\n").filter { $0.contains("IS NOT SAVED: ") }
      #expect(warnings.count == 13 && warnings[0].contains("writing failed: File too large"), "\(outcome.stderr)")
      #expect(outcome.stdout.contains("checkpoints: 0 saved, 13 FAILED, the last one so: "), "\(outcome.stdout)")
      let run = RunFolder(task.run("run"))
      #expect(try run.steps() == (try task.train("whole", Self.settings).steps()))
      #expect(try run.url.appendingPathComponent("checkpoints").contents().isEmpty)
    }

    @Test func aRunStopsByDefault() throws {
      let task = try SmallTask()
      let outcome = try Self.run(Self.smallFiles, task.trainArguments("run", Self.settings))
      #expect(outcome.status == 74)
      let errors = outcome.stderr.split(separator: "\n").filter { $0.contains(" error ") }
      #expect(errors.count == 1 && errors[0].contains("step-00000005.partial-"), "\(outcome.stderr)")
      #expect(errors.first?.contains("writing failed: File too large") == true)
    }

    /// What a signal asks for is not optional: the status must not say that a state is saved that is not.
    @Test func aStateThatASignalAsksForMustBeSaved() async throws {
      let task = try SmallTask()
      let arguments = task.trainArguments(
        "run", Self.settings + ["checkpoint.on_error=continue", "optim.epochs=100000", "checkpoint.every_epochs=0"])
      let job = Task.detached { try Self.run(Self.smallFiles, arguments) }
      let run = RunFolder(task.run("run"))
      try await JobWatch.wait { try run.steps().count >= 20 }
      let process = try #require(JobWatch.process(named: "skiptune", mentioning: run.url.path))
      #expect(kill(process, SIGUSR1) == 0)
      let outcome = try await job.value
      #expect(outcome.status == 74, "\(outcome.stderr)")
      #expect(outcome.stderr.contains("error") && !outcome.stderr.contains("is saved"))
    }

    /// A file system that becomes full, or takes no writes any more, holds the checkpoints of a run that was begun.
    @Test(
      .enabled("mounting a small disk is not allowed here") { try PrivateMounts.areAllowed() },
      arguments: [
        ("size=2600k", "true", "No space left on device"), ("size=20m", "mount -o remount,ro", "Read-only file system"),
      ])
    func checkpointsOnAFileSystemOfTheirOwn(size: String, change: String, words: String) throws {
      let task = try SmallTask()
      let settings = Self.settings.map { $0 == "checkpoint.keep_last=2" ? "checkpoint.keep_last=9" : $0 }
      let begun = try task.train("run", settings + ["limits.max_steps=5"])
      try FileManager.default.removeItem(at: begun.url.appendingPathComponent("COMPLETED"))
      let folder = begun.url.appendingPathComponent("checkpoints")
      let script = """
        set -e; f='\(folder.path)'; cp -r "$f" "$f.old"; mount -t tmpfs -o \(size) none "$f"; cp -r "$f.old"/. "$f"
        \(change) "$f"
        status=0; "$0" "$@" || status=$?
        ls "$f"; "$0" checkpoint verify '\(begun.url.path)'; exit $status
        """
      for (rule, status) in [("continue", 0 as Int32), ("stop", nil)] {
        let arguments = task.trainArguments("run", settings + ["checkpoint.on_error=\(rule)"])
        let outcome = try PrivateMounts.run(
          script, [BuiltProducts.url("skiptune").path] + arguments, environment: MPIRun.cleanEnvironment)
        #expect(outcome.stderr.contains(words), "\(outcome.stderr)")
        #expect(outcome.stdout.contains("step-00000005: whole"), "\(outcome.stdout)")
        let names = outcome.stdout.split(separator: "\n").filter { $0.hasPrefix("step-") }
        #expect(!names.contains { $0.contains("damaged") || $0.contains("partial") }, "\(outcome.stdout)")
        if let status {
          #expect(outcome.status == status, "\(outcome.stderr)")
          #expect(outcome.stderr.contains("IS NOT SAVED: ") && outcome.stdout.contains(" FAILED, the last one so: "))
          try FileManager.default.removeItem(at: begun.url.appendingPathComponent("COMPLETED"))
        } else {
          #expect(outcome.status == 73 || outcome.status == 74, "\(outcome.stderr)")
        }
        try FileManager.default.removeItem(at: begun.url.appendingPathComponent("checkpoints.old"))
      }
    }

    @Test func aFolderThatIsRemovedDuringTraining() async throws {
      let task = try SmallTask()
      let arguments = task.trainArguments(
        "run", Self.settings + ["checkpoint.on_error=continue", "optim.epochs=40"])
      let job = Task.detached { try Program.run(ranks: 2, arguments, timeout: .seconds(90)) }
      let run = RunFolder(task.run("run"))
      for steps in [20, 60, 100] {
        try await JobWatch.wait { try run.steps().count >= steps }
        try? FileManager.default.removeItem(at: run.url.appendingPathComponent("checkpoints"))
      }
      let outcome = try await job.value
      #expect(outcome.status == 0, "\(outcome.stderr)")
      let verified = try Program.run(["checkpoint", "verify", run.url.path])
      #expect(verified.status == 0 && verified.stdout.contains("step-00000800: whole"), "\(verified.stdout)")
    }
  }
}
