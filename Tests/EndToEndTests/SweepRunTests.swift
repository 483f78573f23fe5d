import Foundation
import StrictJSON
import Synchronization
import TestSupport
import Testing

extension EndToEnd {
  @Suite struct SweepRuns {
    /// The same trials on any number of ranks: each group runs its own, and none depends on the others.
    @Test func anyNumberOfRanksFindsTheSame() throws {
      let sweep = try SmallSweep()
      let alone = try sweep.run(ranks: nil)
      #expect(alone.status == 0 && alone.stdout.contains("4 of 4 trials are finished"), "\(alone.stderr)")
      let expected = try sweep.outcomes()
      #expect(expected.count == 4 && Set(expected.compactMap { $0.value["correct.all"] }).count > 1)
      for ranks in 1...4 {
        let other = try SmallSweep(like: sweep)
        let outcome = try other.run(ranks: ranks)
        #expect(outcome.status == 0, "\(outcome.stderr)")
        #expect(outcome.stderr.contains("\(ranks) \(ranks == 1 ? "group" : "groups") of 1 rank"), "\(outcome.stderr)")
        #expect(try other.outcomes() == expected)
        #expect(try other.steps() == sweep.steps())
        #expect(try other.events("finished").count == 4 && other.events("claimed").count == 4)
      }
      // Nothing is left to do.
      let again = try sweep.run(ranks: 2)
      #expect(again.status == 0 && again.stdout.contains("4 of 4 trials are finished"), "\(again.stderr)")
      #expect(try sweep.events("claimed").count == 4)
    }

    /// Groups of two ranks, and what is left of three.
    @Test func groupsOfSeveralRanks() throws {
      let sweep = try SmallSweep(more: "ranks_per_trial: 2")
      let few = try sweep.run(ranks: nil)
      #expect(few.status == 64 && few.stderr.contains("ranks_per_trial: 2 ranks run a trial, and there are 1"))
      let outcome = try sweep.run(ranks: 3)
      #expect(outcome.status == 0 && outcome.stderr.contains("1 group of 2 ranks; 1 rank is left over and idle"))
      #expect(try sweep.outcomes().values.allSatisfy { $0["ranks"] == 2 })
      let all = try SmallSweep(like: sweep)
      let everybody = try all.run(ranks: 3, ["--use-all-ranks"])
      #expect(everybody.status == 0 && everybody.stderr.contains("1 group of 2 ranks and 1 group of 1 rank"))
      let counts = try [sweep, all].map { sweep in try sweep.outcomes().mapValues { $0["steps"] } }
      #expect(counts[0] == counts[1])
    }

    /// The last trials are run by all ranks, where that is asked for.
    @Test func groupsGrowInTheEnd() throws {
      let sweep = try SmallSweep()
      let outcome = try sweep.run(ranks: 3, ["--resize-groups"])
      #expect(outcome.status == 0 && outcome.stdout.contains("4 of 4 trials are finished"), "\(outcome.stderr)")
      #expect(outcome.stderr.contains("4 trials; 3 groups of 1 rank"), "\(outcome.stderr)")
      #expect(outcome.stderr.contains("1 trial is left; 1 group of 3 ranks"), "\(outcome.stderr)")
      #expect(try sweep.outcomes().values.compactMap { $0["ranks"] }.sorted() == [1, 1, 1, 3])
      #expect(try sweep.events("claimed").count == 4 && sweep.events("finished").count == 4)
      // From the beginning, where there are fewer trials than groups.
      let few = try SmallSweep(seeds: 1)
      let large = try few.run(ranks: 4, ["--resize-groups"])
      #expect(large.status == 0 && large.stderr.contains("2 trials; 2 groups of 2 ranks"), "\(large.stderr)")
      #expect(try few.outcomes().values.allSatisfy { $0["ranks"] == 2 })
    }

    /// Two jobs at once: between them each trial once.
    @Test func twoJobsShareTheTrials() async throws {
      let sweep = try SmallSweep(seeds: 4)
      let jobs = (0..<2).map { _ in ThreadedJob { try sweep.run(ranks: 2, ["--wait"]) } }
      for job in jobs {
        let outcome = try await job.outcome()
        #expect(outcome.status == 0 && outcome.stdout.contains("8 of 8 trials are finished"), "\(outcome.stderr)")
      }
      #expect(try sweep.outcomes().count == 8)
      #expect(try sweep.events("finished").count == 8 && sweep.events("claimed").count == 8)
      #expect(try sweep.events("took_over").isEmpty && sweep.events("lost").isEmpty)
      let alone = try SmallSweep(like: sweep)
      #expect(try alone.run(ranks: nil).status == 0)
      #expect(try alone.outcomes() == sweep.outcomes())
    }

    /// What a job leaves that is killed, another one that is at work takes over.
    @Test func aJobTakesOverFromTheDead() async throws {
      let sweep = try SmallSweep(settings: SmallSweep.endless)
      let first = ThreadedJob { try sweep.run(ranks: nil) }
      try await JobWatch.wait { try sweep.lineCounts().contains { $0 >= 20 } }
      let victim = try #require(JobWatch.process(named: "skiptune", mentioning: sweep.folder.path))
      let taken = try sweep.events("claimed")
      let second = ThreadedJob { try sweep.run(ranks: nil, ["--wait", "--set", "limits.max_steps=30"]) }
      // It waits then: the first one has a trial that does not end.
      try await JobWatch.wait { try sweep.events("finished").count == 3 }
      #expect(kill(victim, SIGKILL) == 0)
      #expect(try await first.outcome().status != 0)
      let outcome = try await second.outcome()
      #expect(outcome.status == 0 && outcome.stdout.contains("4 of 4 trials are finished"), "\(outcome.stderr)")
      #expect(try taken.count == 1 && sweep.events("took_over") == taken)
    }

    /// Killed at any moment, again and again: the same command goes on, and in the end nothing tells of it.
    @Test func whatIsKilledGoesOn() async throws {
      let sweep = try SmallSweep(settings: SmallSweep.endless)
      var ending: [String] = []
      for kill in 1...3 {
        // The first two jobs never end by themselves; the third may be through before it is killed.
        if kill == 3 { ending = try sweep.ending() }
        let settings = ending
        let job = Task.detached { try sweep.run(ranks: 2, settings) }
        let claims = try sweep.events("claimed").count + sweep.events("took_over").count
        try await JobWatch.wait {
          if kill == 3 { return try sweep.events("finished").count > 0 }
          let taken = try sweep.events("claimed").count + sweep.events("took_over").count
          return try taken >= claims + 2 && sweep.lineCounts().count { $0 >= 30 * kill } == 2
        }
        JobWatch.killAll(mentioning: sweep.folder.path)
        let outcome = try await job.value
        if kill < 3 { #expect(outcome.status != 0) }
      }
      let last = try sweep.run(ranks: 2, ending)
      #expect(last.status == 0, "\(last.stderr)")
      try expectUndisturbed(sweep, ending)
    }

    /// A signal to one rank stops all groups, each with its state.
    @Test func aSignalStopsAllGroups() async throws {
      let sweep = try SmallSweep(settings: SmallSweep.endless)
      let job = Task.detached { try sweep.run(ranks: 2) }
      try await JobWatch.wait { try sweep.lineCounts().count { $0 >= 30 } == 2 }
      let status = try Program.run(["sweep", "status", sweep.folder.path])
      #expect(status.status == 0 && status.stdout.contains("4 trials: 2 running, 2 waiting"), "\(status.stdout)")
      let victim = try #require(JobWatch.process(ofRank: 1, mentioning: sweep.folder.path))
      #expect(kill(victim, SIGUSR1) == 0)
      let stopped = try await job.value
      #expect(stopped.status == 75 && stopped.stderr.contains("start the same command again"), "\(stopped.stderr)")
      #expect(try sweep.events("interrupted").count == 2)
      let after = try Program.run(["sweep", "status", sweep.folder.path])
      #expect(after.stdout.contains("4 trials: 2 interrupted, 2 waiting"), "\(after.stdout)")
      let ending = try sweep.ending()
      let resumed = try sweep.run(ranks: 1, ending)
      #expect(resumed.status == 0, "\(resumed.stderr)")
      #expect(try sweep.events("took_over").isEmpty)
      try expectUndisturbed(sweep, ending)
    }

    private func expectUndisturbed(_ sweep: SmallSweep, _ ending: [String]) throws {
      let whole = try SmallSweep(like: sweep)
      #expect(try whole.run(ranks: nil, ending).status == 0)
      #expect(try whole.outcomes() == sweep.outcomes())
      #expect(try whole.steps() == sweep.steps())
      // A job that is killed between an outcome and its line in the journal says nothing of it; nobody says it twice.
      let finished = try sweep.events("finished")
      #expect(try sweep.outcomes().count == 4 && Set(finished).count == finished.count)
    }

    /// What fails is tried again after the others, and reported; the rest is finished.
    @Test(arguments: [nil, 2]) func aTrialThatFailsEndsNothing(ranks: Int?) throws {
      let sweep = try SmallSweep(grid: "optim.text_lr: [0.01, 1.0e+30]")
      let outcome = try sweep.run(ranks: ranks)
      #expect(outcome.status == 65, "\(outcome.stderr)")
      #expect(outcome.stderr.contains("2 of 4 trials failed") && outcome.stderr.contains("training has diverged"))
      #expect(outcome.stdout.contains("2 of 4 trials are finished, 2 failed"), "\(outcome.stdout)")
      let order = try sweep.allEvents().filter { ["finished", "failed"].contains($0.event) }
      #expect(order.map(\.event).filter { $0 == "failed" }.count == 4, "each twice")
      let attempts = try sweep.outcomes().values.map { $0["attempts"] }
      #expect(attempts.filter { $0 == 2 }.count == 2 && attempts.filter { $0 == 1 }.count == 2)
      // Not again by itself, once if asked.
      #expect(try sweep.run(ranks: ranks).status == 65)
      #expect(try sweep.events("failed").count == 4)
      #expect(try sweep.run(ranks: ranks, ["--retry-failed"]).status == 65)
      #expect(try sweep.events("failed").count == 6)
      let status = try Program.run(["sweep", "status", sweep.folder.path])
      #expect(status.stdout.contains("4 trials: 2 finished, 2 failed"), "\(status.stdout)")
    }

    /// Halving stops trials with their checkpoints; one that is revived is as if it had never stopped.
    @Test func stoppedTrialsCanGoOn() throws {
      let stopping = "stopping: {rule: halving, reduction: 2, first_epochs: 1}"
      let sweep = try SmallSweep(more: stopping, seeds: 3, settings: ["optim.epochs=4"])
      let outcome = try sweep.run(ranks: nil)
      #expect(outcome.status == 0, "\(outcome.stderr)")
      let stopped = try sweep.states().filter { $0.value == "stopped" }.keys.sorted()
      #expect(!stopped.isEmpty && outcome.stdout.contains("stopped early"), "\(outcome.stdout)")
      let judged = try sweep.events("judged")
      // A job that starts again judges nobody again.
      #expect(try sweep.run(ranks: 2).status == 0)
      #expect(try sweep.events("judged") == judged)
      let name = try #require(stopped.first)
      let revived = try sweep.run(ranks: nil, ["--revive", name])
      #expect(revived.status == 0, "\(revived.stderr)")
      #expect(try sweep.states()[name] == "finished")
      #expect(try sweep.states().filter { $0.value == "stopped" }.keys.sorted() == Array(stopped.dropFirst()))
      let whole = try SmallSweep(like: sweep, more: "")
      #expect(try whole.run(ranks: nil).status == 0)
      #expect(try whole.outcomes()[name] == sweep.outcomes()[name])
      #expect(try whole.steps()[name] == sweep.steps()[name])
      let unknown = try sweep.run(ranks: nil, ["--revive", "0001"])
      #expect(unknown.status == 64 && unknown.stderr.contains("0001 is no trial of this sweep"), "\(unknown.stderr)")
    }

    /// Other settings for what is finished are an error, not a mixture.
    @Test func finishedTrialsBindTheirSettings() throws {
      let sweep = try SmallSweep(seeds: 1)
      #expect(try sweep.run(ranks: nil).status == 0)
      let other = try sweep.run(ranks: nil, ["--set", "optim.image_lr=0.5"])
      #expect(other.status == 64 && other.stderr.contains("optim.image_lr was 0.01 and is now 0.5"), "\(other.stderr)")
      try Data("mine".utf8).write(to: sweep.folder.deletingLastPathComponent().appendingPathComponent("file"))
      let taken = try sweep.run(ranks: nil, in: sweep.folder.deletingLastPathComponent())
      #expect(taken.status == 73 && taken.stderr.contains("not of a sweep"), "\(taken.stderr)")
    }

    /// Accuracy on the validation list, one image of each of ten classes.
    @Test func validationImagesCanBeMeasuredOn() throws {
      let sweep = try SmallSweep(seeds: 1, settings: ["evaluate.split=val"])
      #expect(try sweep.run(ranks: nil).status == 0)
      #expect(try sweep.outcomes().values.allSatisfy { $0["images.all"] == 10 })
    }
  }
}

/// A job on a thread of its own: two tasks that block would leave none to the test on a machine of two processors.
private final class ThreadedJob: Sendable {
  private let result = Mutex<Result<ProcessRunner.Outcome, any Error>?>(nil)

  init(_ body: @escaping @Sendable () throws -> ProcessRunner.Outcome) {
    Thread.detachNewThread { [self] in
      let found = Result { try body() }
      result.withLock { $0 = found }
    }
  }

  /// Waits for its end.
  func outcome() async throws -> ProcessRunner.Outcome {
    try await JobWatch.wait(upTo: .seconds(120)) { result.withLock { $0 != nil } }
    return try result.withLock { try $0!.get() }
  }
}

/// A sweep of trials of the small task.
private struct SmallSweep {
  /// Trials that do not end by themselves, with checkpoints often.
  static let endless = ["optim.epochs=100000", "checkpoint.every_steps=7"]

  struct Event: Equatable {
    let event, trial, time: String
  }

  let task: SmallTask
  let folder: URL
  private let file: URL
  private let grid: String
  private let seeds: Int
  private let settings: [String]

  /// Two values of a setting by some seeds, over the task's configuration with `settings`.
  init(
    grid: String = "method.start_layer: [6, 10]", more: String = "", seeds: Int = 2, settings: [String] = []
  ) throws {
    try self.init(SmallTask(), "first", grid: grid, more: more, seeds: seeds, settings: settings)
  }

  /// The same trials in another folder.
  init(like other: SmallSweep, more: String? = nil) throws {
    try self.init(
      other.task, UUID().uuidString, grid: other.grid, more: more ?? other.more, seeds: other.seeds,
      settings: other.settings)
  }

  private let more: String

  private init(_ task: SmallTask, _ name: String, grid: String, more: String, seeds: Int, settings: [String]) throws {
    (self.task, self.grid, self.more, self.seeds, self.settings) = (task, grid, more, seeds, settings)
    folder = task.folder.appendingPathComponent("sweeps").appendingPathComponent(name).appendingPathComponent("sweep")
    file = task.folder.appendingPathComponent("\(name).yaml")
    let text = """
      grid:
        \(grid)
        seed: {from: 1, to: \(seeds), step: 1}
      \(more)
      """
    try Data((text + "\n").utf8).write(to: file)
  }

  func run(ranks: Int?, _ more: [String] = [], in place: URL? = nil) throws -> ProcessRunner.Outcome {
    let settings = (["optim.epochs=2", "output.report=false"] + settings).flatMap { ["--set", $0] }
    return try Program.run(
      ranks: ranks,
      ["sweep", "run", file.path, "-c", task.configuration.path, "--run-dir", (place ?? folder).path] + settings + more,
      environment: ["OMP_NUM_THREADS": "1"], timeout: .seconds(120))
  }

  private func trials() throws -> [String] {
    let names =
      (try? FileManager.default.contentsOfDirectory(atPath: folder.appendingPathComponent("trials").path)) ?? []
    return names.sorted()
  }

  /// What ends endless trials some steps after what they have come to.
  func ending() throws -> [String] { ["--set", "limits.max_steps=\(try (lineCounts().max() ?? 0) + 30)"] }

  private func run(of trial: String) -> RunFolder { RunFolder(folder.appendingPathComponent("trials/\(trial)")) }

  /// Lines of metrics.jsonl of each trial.
  func lineCounts() throws -> [Int] { try trials().map { try run(of: $0).metricLines().count } }

  /// What each trial trained.
  func steps() throws -> [String: [RunFolder.Step]] {
    Dictionary(uniqueKeysWithValues: try trials().map { ($0, try run(of: $0).steps()) })
  }

  private func outcomeFiles() throws -> [String: JSONValue] {
    let outcomes = folder.appendingPathComponent("outcomes")
    let files = try FileManager.default.contentsOfDirectory(atPath: outcomes.path).filter { $0.hasSuffix(".json") }
    return Dictionary(
      uniqueKeysWithValues: try files.map { name in
        let bytes = [UInt8](try Data(contentsOf: outcomes.appendingPathComponent(name)))
        return (String(name.dropLast(5)), try JSONValue(parsing: bytes))
      })
  }

  func states() throws -> [String: String] { try outcomeFiles().compactMapValues { $0["state"]?.string } }

  /// Numbers of each outcome that do not depend on the clock.
  func outcomes() throws -> [String: [String: Double]] {
    try outcomeFiles().mapValues { file in
      var numbers: [String: Double] = [:]
      for key in ["attempts", "epochs", "steps", "ranks"] { numbers[key] = file[key]?.number }
      for member in file["metrics"]?.members ?? [] { numbers[member.key] = member.value.number }
      return numbers
    }
  }

  func allEvents() throws -> [Event] {
    let journal = folder.appendingPathComponent("journal")
    let files = (try? FileManager.default.contentsOfDirectory(atPath: journal.path)) ?? []
    return try files.sorted().flatMap { name in
      try String(contentsOf: journal.appendingPathComponent(name), encoding: .utf8).split(separator: "\n")
        .compactMap { line in
          guard let event = try? JSONValue(parsing: Array(line.utf8)), let kind = event["event"]?.string else {
            return nil
          }
          return Event(event: kind, trial: event["trial"]?.string ?? "", time: event["time"]?.string ?? "")
        }
    }
  }

  /// Trials of which an event is told.
  func events(_ kind: String) throws -> [String] { try allEvents().filter { $0.event == kind }.map(\.trial).sorted() }
}
