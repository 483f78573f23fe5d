import Foundation
import TestSupport
import Testing

/// What ends a wait that is in vain, under mpirun: each job must end by itself, with one line that names the culprit.
@Suite(.serialized) struct WaitTests {
  /// Runs a scenario whose deadline is a second; the lost ranks are killed by mpirun, whatever it has to say.
  private func run(_ scenario: String, ranks: Int, rank: Int) throws -> (ProcessRunner.Outcome, lines: [Substring]) {
    let outcome = try MPIRun.run(
      ranks: ranks, program: "skiptune-scenarios", arguments: [scenario, "\(rank)"], timeout: .seconds(60))
    #expect(!outcome.timedOut)
    // Open MPI tells of a peer's memory that is gone when that peer is killed while being read from.
    return (outcome, outcome.stderr.split(separator: "\n").filter { !$0.contains("Read -1, expected") })
  }

  @Test(arguments: [
    ("stopped-rank", "all-reduce of 100000 float32", 2, 1), ("stopped-rank", "all-reduce of 100000 float32", 4, 0),
    ("stopped-rank", "all-reduce of 100000 float32", 4, 2),
    ("stopped-sender", "receive of 8 bytes from rank 1, tag 3", 3, 1),
    ("stopped-neighbour", "wait for counter 0", 3, 0),
  ]) func aStoppedRankIsNamed(scenario: String, operation: String, ranks: Int, victim: Int) throws {
    let (outcome, lines) = try run(scenario, ranks: ranks, rank: victim)
    try #require(lines.count == 1, "\(outcome.stderr)")
    #expect(lines[0].hasPrefix("no answer for 1 s in \(operation) (step 12, gradients): rank \(victim) on host "))
    #expect(lines[0].contains(" is missing (stopped, dead or cut off); rank"))
    #expect(outcome.status == 70)
    #expect(outcome.stdout == "")
  }

  /// It works for more than three deadlines.
  @Test(arguments: [(2, 0), (3, 1)]) func aSlowRankIsWaitedFor(ranks: Int, slow: Int) throws {
    let (outcome, lines) = try run("slow-rank", ranks: ranks, rank: slow)
    #expect(outcome.status == 0)
    #expect(outcome.stdout == "ok slow-rank size=\(ranks)\n")
    #expect((1...3).contains(lines.count), "\(outcome.stderr)")
    #expect(lines.allSatisfy { $0.hasPrefix("rank \(slow) on host ") && $0.contains("is still at work") })
  }

  @Test(arguments: [0, 2]) func ranksOutOfStepAreToldSo(other: Int) throws {
    let (outcome, lines) = try run("out-of-step", ranks: 3, rank: other)
    try #require(lines.count == 1, "\(outcome.stderr)")
    #expect(lines[0].contains("ranks are out of step: "))
    #expect(lines[0].contains("rank \(other) waits in all-reduce of 1 float32 (operation"))
    #expect(lines[0].contains("ranks \(other == 0 ? "1, 2" : "0, 1") wait in barrier (operation"))
    #expect(outcome.status == 70)
  }

  @Test func aMessageThatNobodySendsEndsTheRun() throws {
    let (outcome, lines) = try run("lost-message", ranks: 1, rank: 1)
    #expect(
      lines == [
        "no answer for 1 s in receive of 8 bytes from rank 0, tag 3 (step 12, gradients): all ranks wait in it, "
          + "but nothing arrives; look at the network between their hosts"
      ])
    #expect(outcome.status == 70)
  }
}
