import Foundation
import TestSupport
import Testing

extension EndToEnd {
  @Suite struct Launch {
    @Test func threadsAreThoseThatTheUserAsksFor() throws {
      let task = try SmallTask()
      let alone = try task.train("alone", ["limits.max_steps=20"])
      for threads in [1, 2] {
        let run = try task.train(
          "threads-\(threads)", ranks: 2, ["limits.max_steps=20"], environment: ["OMP_NUM_THREADS": "\(threads)"])
        #expect(try run.results().threadsPerRank == threads)
        #expect(try #require(try run.distance(to: alone)).loss <= 1e-5)
      }
    }

    /// Without any flag mpirun ties each rank to one core; the ranks still divide all of them.
    @Test func bareMpirunUsesTheWholeMachine() throws {
      let task = try SmallTask()
      let run = try task.train("run", ["limits.max_steps=20"])
      // Variables in place of a flag, for machines of one core.
      let outcome = try MPIRun.run(
        ["--allow-run-as-root", "-np", "2", BuiltProducts.url("skiptune").path]
          + task.trainArguments("bare", ["limits.max_steps=20"]),
        environment: MPIRun.oversubscription)
      #expect(outcome.status == 0, "\(outcome.stderr)")
      let bare = RunFolder(task.run("bare"))
      #expect(try bare.results().ranks == 2)
      #expect(try bare.results().threadsPerRank == max(1, ProcessInfo.processInfo.activeProcessorCount / 2))
      #expect(try #require(try bare.distance(to: run)).loss <= 1e-5)
    }

    @Test(arguments: [
      ["train", "--set", "optim.text_rl=1", "--run-dir", "run"], ["train", "--log-level", "loud"],
      ["train", "--bogus"],
      ["embed", "--model", "nowhere", "-o", "features"],
    ])
    func theFirstRankSpeaksEvenIfItComesLast(arguments: [String]) throws {
      let late = #"test "$OMPI_COMM_WORLD_RANK" != 0 || sleep 1; exec "$@""#
      let outcome = try MPIRun.run(
        ["--allow-run-as-root", "--oversubscribe"] + Program.noPatience
          + ["-np", "2", "sh", "-c", late, "sh", BuiltProducts.url("skiptune").path] + arguments)
      #expect(outcome.status == 64)
      let alone = try Program.run(arguments)
      #expect(alone.status == 64)
      #expect(words(outcome.stderr) == words(alone.stderr))
      #expect(!words(alone.stderr).isEmpty)
    }

    /// Without the time of day.
    private func words(_ text: String) -> String { text.replacing(#/\d\d:\d\d:\d\d /#, with: "") }

    @Test func helpAndVersionUnderMpirunAreSaidOnce() throws {
      let version = try Program.run(ranks: 3, ["--version"])
      #expect(version.status == 0)
      #expect(version.stdout.split(separator: "\n").count == 1)
      let help = try Program.run(ranks: 2, ["train", "--help"])
      #expect(help.status == 0)
      #expect(help.stdout == (try Program.run(["train", "--help"])).stdout)
    }
  }
}
