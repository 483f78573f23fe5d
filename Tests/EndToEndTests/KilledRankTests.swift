import Foundation
import TestSupport
import Testing

extension EndToEnd {
  @Suite struct KilledRank {
    @Test(arguments: [(ranks: 2, victim: 1), (ranks: 3, victim: 0)])
    func theJobEndsAndNamesIt(ranks: Int, victim: Int) async throws {
      let task = try SmallTask()
      let arguments = task.trainArguments("run", ["optim.epochs=100000", "evaluate.zero_shot=false"])
      let job = Task.detached {
        try MPIRun.run(
          ranks: ranks, program: "skiptune", arguments: arguments, isQuiet: false, timeout: .seconds(90))
      }
      let run = RunFolder(task.run("run"))
      try await JobWatch.wait { try run.metricLines().count >= 30 }
      let victimProcess = try #require(JobWatch.process(ofRank: victim, mentioning: run.url.path))
      let killed = ContinuousClock.now
      #expect(kill(victimProcess, SIGKILL) == 0)
      let outcome = try await job.value
      #expect(killed.duration(to: .now) < .seconds(10))
      #expect(!outcome.timedOut)
      #expect(outcome.status != 0)
      #expect(outcome.stderr.contains("process rank \(victim)"), "\(outcome.stderr)")
      try expectUnfinished(run)
      let count = try run.steps().count + 10
      let settings = ["optim.epochs=100000", "evaluate.zero_shot=false", "evaluate.tuned=false"]
      let again = try task.train("run", ranks: ranks, settings + ["limits.max_steps=\(count)"])
      #expect(try again.steps().map(\.step) == Array(0..<count), "it went on from its checkpoint")
    }

    /// Nothing tells the others that it is stopped; they find out after the deadline, and mpirun kills it.
    @Test(arguments: [0, 1]) func aStoppedRankEndsTheJob(victim: Int) async throws {
      let task = try SmallTask()
      let arguments = task.trainArguments(
        "run", ["optim.epochs=100000", "evaluate.zero_shot=false", "limits.collective_timeout=2"])
      let job = Task.detached {
        try MPIRun.run(ranks: 2, program: "skiptune", arguments: arguments, timeout: .seconds(90))
      }
      let run = RunFolder(task.run("run"))
      try await JobWatch.wait { try run.metricLines().count >= 30 }
      let victimProcess = try #require(JobWatch.process(ofRank: victim, mentioning: run.url.path))
      let stopped = ContinuousClock.now
      #expect(kill(victimProcess, SIGSTOP) == 0)
      let outcome = try await job.value
      #expect(stopped.duration(to: .now) < .seconds(30))  // Deadline, roll call, and mpirun's own patience.
      #expect(!outcome.timedOut)
      #expect(outcome.status == 70)
      let lines = outcome.stderr.split(separator: "\n").filter { $0.contains("no answer for 2 s in ") }
      #expect(lines.count == 1, "\(outcome.stderr)")
      // An epoch takes 50 ms here, so the signal may meet the making of features between two steps.
      #expect(lines.first.map { $0.contains("(step ") || $0.contains(", features)") } == true, "\(outcome.stderr)")
      #expect(
        lines.first?.contains(": rank \(victim) on host ") == true
          && lines.first?.contains("is missing (stopped, dead or cut off); rank \(1 - victim) is waiting") == true,
        "\(outcome.stderr)")
      // Killed by mpirun; nobody may have asked for its status yet.
      #expect(JobWatch.process(ofRank: victim, mentioning: run.url.path) == nil)
      try expectUnfinished(run)
    }

    /// A signal to one rank ends all with status 75; the job then goes on as if nothing had been.
    @Test func aJobThatIsAskedToStopSavesItsState() async throws {
      let task = try SmallTask()
      let settings = ["optim.epochs=1000", "evaluate.zero_shot=false", "evaluate.tuned=false"]
      let monitor = task.folder.appendingPathComponent("run.prom")
      let monitored = ["output.prometheus=\(monitor.path)"]
      let arguments = task.trainArguments("run", settings + monitored)
      let job = Task.detached {
        try MPIRun.run(ranks: 2, program: "skiptune", arguments: arguments, timeout: .seconds(90))
      }
      let run = RunFolder(task.run("run"))
      try await JobWatch.wait { try run.metricLines().count >= 30 }
      let signalled = try #require(JobWatch.process(ofRank: 1, mentioning: run.url.path))
      #expect(kill(signalled, SIGUSR1) == 0)
      let outcome = try await job.value
      #expect(outcome.status == 75, "\(outcome.stderr)")
      #expect(outcome.stderr.contains("stopped by a signal; the state after"), "\(outcome.stderr)")
      try expectUnfinished(run)
      #expect(try String(contentsOf: monitor, encoding: .utf8).contains("state=\"stopped\"} 1\n"))

      let stepCount = try run.steps().count + 10
      let rest = task.trainArguments("run", settings + monitored + ["limits.max_steps=\(stepCount)"])
      let resumed = try MPIRun.run(ranks: 2, program: "skiptune", arguments: rest, timeout: .seconds(90))
      #expect(resumed.status == 0, "\(resumed.stderr)")
      #expect(try String(contentsOf: monitor, encoding: .utf8).contains("state=\"finished\"} 1\n"))
      let whole = try task.train("whole", ranks: 2, settings + ["limits.max_steps=\(stepCount)"])
      #expect(try run.steps() == whole.steps())
      let files = [run, whole].map { $0.model.appendingPathComponent("model.safetensors") }
      #expect(try Data(contentsOf: files[0]) == Data(contentsOf: files[1]))
    }

    /// What is there must be whole, and must not look finished.
    private func expectUnfinished(_ run: RunFolder) throws {
      let left = try run.url.contents().keys
      #expect(!left.contains("COMPLETED") && !left.contains("results.json") && !left.contains { $0.hasPrefix("model") })
      let steps = try run.steps()  // Throws on half a line.
      #expect(steps.map(\.step) == Array(0..<steps.count))
    }
  }
}
