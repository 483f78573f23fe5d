import Foundation
import TestSupport
import Testing

extension EndToEnd {
  /// launch/skiptune-run with the built program.
  @Suite struct SkiptuneRun {
    private static let script = Goldens.repositoryRoot.appendingPathComponent("launch/skiptune-run")
    private static let settings = ["optim.epochs=1000", "evaluate.zero_shot=false", "evaluate.tuned=false"]

    private static func run(
      _ options: [String], _ arguments: [String], timeout: Duration = .seconds(120)
    ) throws -> ProcessRunner.Outcome {
      let fixed = ["--program", try BuiltProducts.url("skiptune").path, "--backoff", "1"]
      // More ranks than cores would else wait for each other's time slices.
      let environment = MPIRun.cleanEnvironment.merging(["OMPI_MCA_mpi_yield_when_idle": "1"]) { $1 }
      return try ProcessRunner.run(script, fixed + options + arguments, environment: environment, timeout: timeout)
    }

    /// Starts a run in the background.
    private static func start(_ options: [String], _ arguments: [String]) -> Task<ProcessRunner.Outcome, any Error> {
      Task.detached { try run(options, arguments) }
    }

    @Test func aKilledRankIsNoEnd() async throws {
      let task = try SmallTask()
      let settings = Self.settings + ["limits.max_steps=400", "checkpoint.every_steps=7"]
      let whole = try task.train("whole", ranks: 2, settings)
      let job = Self.start(["-n", "2", "--restarts", "2"], task.trainArguments("run", settings))
      let run = RunFolder(task.run("run"))
      // Ranks of a job that is ending already are no victims.
      var former: [Int32] = []
      for (victim, steps) in [(1, 40), (0, 90)] {
        func ranks() -> [Int32] { [0, 1].compactMap { JobWatch.process(ofRank: $0, mentioning: run.url.path) } }
        try await JobWatch.wait {
          let now = ranks()
          return try run.steps().count >= steps && now.count == 2 && !now.contains { former.contains($0) }
        }
        former = ranks()
        let process = try #require(JobWatch.process(ofRank: victim, mentioning: run.url.path))
        #expect(kill(process, SIGKILL) == 0)
      }
      let outcome = try await job.value
      #expect(outcome.status == 0, "\(outcome.stderr)")
      let restarts = outcome.stderr.split(separator: "\n").filter { $0.hasPrefix("skiptune-run: ") }
      #expect(
        restarts == [
          "skiptune-run: the run ended with status 137; it is started again in 1 seconds, restart 1 of 2",
          "skiptune-run: the run ended with status 137; it is started again in 2 seconds, restart 2 of 2",
        ], "\(outcome.stderr)")
      #expect(outcome.stderr.contains("resuming from step-"))
      #expect(try run.steps() == whole.steps())
      let files = [run, whole].map { $0.model.appendingPathComponent("model.safetensors") }
      #expect(try Data(contentsOf: files[0]) == Data(contentsOf: files[1]))
    }

    @Test(arguments: [SIGTERM, SIGUSR1, SIGUSR2]) func aSignalLeadsToACheckpointAnd75(signal: Int32) async throws {
      let task = try SmallTask()
      let job = Self.start(["-n", "2"], task.trainArguments("run", Self.settings))
      let run = RunFolder(task.run("run"))
      try await JobWatch.wait { try run.steps().count >= 25 }
      let script = try #require(JobWatch.process(named: "bash", mentioning: run.url.path))
      let asked = ContinuousClock.now
      #expect(kill(script, signal) == 0)
      let outcome = try await job.value
      #expect(outcome.status == 75, "\(outcome.stderr)")
      #expect(asked.duration(to: .now) < .seconds(20))
      #expect(outcome.stderr.contains("seconds to save its state"))
      #expect(outcome.stderr.contains("stopped by a signal; the state after"))
      // The resumed run is the one that was never stopped.
      let settings = Self.settings + ["limits.max_steps=\(try run.steps().count + 20)"]
      let resumed = try Self.run(["-n", "2"], task.trainArguments("run", settings))
      #expect(resumed.status == 0 && resumed.stderr.contains("resuming from step-"), "\(resumed.stderr)")
      let whole = try task.train("whole", ranks: 2, settings)
      #expect(try run.steps() == whole.steps())
    }

    /// Before the ranks exist, or listen.
    @Test(arguments: [50, 300, 600]) func anEarlySignalIsNotLost(milliseconds: Int) async throws {
      let task = try SmallTask()
      let path = task.run("run").path
      let job = Self.start(["-n", "2"], task.trainArguments("run", Self.settings))
      try await JobWatch.wait { JobWatch.process(named: MPIRun.launcherName, mentioning: path) != nil }
      try await Task.sleep(for: .milliseconds(milliseconds))
      let script = try #require(JobWatch.process(named: "bash", mentioning: path))
      #expect(kill(script, SIGTERM) == 0)
      let outcome = try await job.value
      #expect(outcome.status == 75, "\(outcome.stderr)")
    }

    @Test func aRunThatDoesNotEndIsEnded() async throws {
      let task = try SmallTask()
      let job = Self.start(["-n", "1", "--grace", "2"], task.trainArguments("run", Self.settings))
      let run = RunFolder(task.run("run"))
      try await JobWatch.wait { try run.steps().count >= 25 }
      let process = try #require(JobWatch.process(ofRank: 0, mentioning: run.url.path))
      #expect(kill(process, SIGSTOP) == 0)
      let script = try #require(JobWatch.process(named: "bash", mentioning: run.url.path))
      #expect(kill(script, SIGTERM) == 0)
      let outcome = try await job.value
      #expect(outcome.status != 0)
      #expect(outcome.stderr.contains("the run did not end within 2 seconds"))
      #expect(JobWatch.process(ofRank: 0, mentioning: run.url.path) == nil)
    }

    /// Wrong input does not become right by itself.
    @Test(arguments: [
      (["--set", "seed=-1"], 64, "seed is -1"), (["--bogus"], 64, "--bogus"),
      (["--set", "model.path=nowhere"], 66, "nowhere: there is no such file or folder"),
    ])
    func whatPeopleMustRepairIsNotTriedAgain(arguments: [String], status: Int32, words: String) throws {
      let task = try SmallTask()
      let outcome = try Self.run(["-n", "2"], task.trainArguments("run") + arguments)
      #expect(outcome.status == status && outcome.stderr.contains(words), "\(outcome.stderr)")
      #expect(!outcome.stderr.contains("skiptune-run: "))
    }

    @Test func restartsAreBounded() throws {
      let task = try SmallTask()
      // A file that a signal ends the program at: no checkpoint will ever be saved.
      let broken = try ScratchFolder()
      let program = broken.file("skiptune")
      try Data("#!/bin/sh\nkill -9 $$\n".utf8).write(to: program)
      chmod(program.path, 0o755)
      let outcome = try Self.run(
        ["--program", program.path, "--backoff", "0", "--restarts", "2"], task.trainArguments("run"))
      #expect(outcome.status == 137)
      #expect(outcome.stderr.contains("restart 2 of 2"))
      #expect(outcome.stderr.contains("the run ended with status 137; no restarts are left of 2"))
    }

    @Test(arguments: [
      (["--restarts", "many", "train"], "--restarts must be a whole number from 0 on, not 'many'"),
      (["-n", "0", "train"], "--ranks must be a whole number from 1 on, not '0'"),
      (["--bogus", "train"], "unknown option '--bogus'"), (["-n"], "-n needs a value"),
      ([], "say what to start"), (["train", "--resume", "runs/x/checkpoints/step-00000001"], "give --restarts 0"),
    ])
    func wrongOptionsAreNamed(options: [String], words: String) throws {
      let outcome = try Self.run(options, [])
      #expect(outcome.status == 64 && outcome.stderr.contains(words), "\(outcome.stderr)")
      #expect(outcome.stderr.split(separator: "\n").count == 1)
    }

    @Test func missingFilesAreNamed() throws {
      for (options, words) in [
        (["--hostfile", "nowhere", "train"], "no host file 'nowhere'"),
        (["--program", "nowhere", "train"], "no program 'nowhere'"),
      ] {
        let outcome = try Self.run(options, [])
        #expect(outcome.status == 66 && outcome.stderr.contains(words), "\(outcome.stderr)")
      }
    }
  }
}
