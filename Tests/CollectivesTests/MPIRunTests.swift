import Foundation
import TestSupport
import Testing

/// One scenario in one mpirun each, one after the other: more ranks than cores at once would only wait for each other.
@Suite(.serialized) struct MPIRunTests {
  @Test(
    arguments: [
      "all-reduce", "broadcast", "all-gather", "messages", "node-memory", "node-group", "parts", "beyond-32-bit",
      "agreement", "placement",
    ], 1...4)
  func scenario(name: String, ranks: Int) throws {
    let outcome = try MPIRun.run(
      ranks: ranks, program: "skiptune-scenarios", arguments: [name])
    #expect(!outcome.timedOut)
    #expect(outcome.stderr == "")
    #expect(outcome.stdout == "ok \(name) size=\(ranks)\n")
    #expect(outcome.status == 0)
  }

  @Test(
    arguments: [
      ["--mca", "btl", "self,tcp"], ["--mca", "btl_vader_single_copy_mechanism", "none"], ["--mca", "smsc", "^cma"],
    ])
  func everyTransportGivesTheSame(options: [String]) throws {
    let outcome = try MPIRun.run(
      ranks: 3, program: "skiptune-scenarios", arguments: ["all-reduce"], options: options)
    #expect(outcome.stdout == "ok all-reduce size=3\n")
    #expect(outcome.stderr == "")
  }

  /// A bare mpirun binds one rank to one core; the user's own binding stays.
  @Test(arguments: [([], ProcessInfo.processInfo.activeProcessorCount), (["--bind-to", "hwthread"], 1)])
  func onlyTheBindingThatTheUserChoseHolds(options: [String], cpus: Int) throws {
    let program = try BuiltProducts.url("skiptune-scenarios").path
    let outcome = try MPIRun.run(
      ["--allow-run-as-root"] + options + ["-np", "1", program, "placement", "\(cpus)"])
    #expect(outcome.stderr == "")
    #expect(outcome.stdout == "ok placement size=1\n")
  }

  @Test func withoutALauncherThereIsAWorldOfOne() throws {
    let outcome = try ProcessRunner.run(
      BuiltProducts.url("skiptune-scenarios"), ["all-reduce"], environment: MPIRun.cleanEnvironment,
      timeout: .seconds(60))
    #expect(outcome.stdout == "ok all-reduce size=1\n")
    #expect(outcome.status == 0)
  }

  @Test(arguments: [(1, 0), (2, 1), (4, 0), (4, 3)])
  func anAgreedFailureEndsAllRanksWithOneLineAndItsStatus(ranks: Int, culprit: Int) throws {
    let outcome = try MPIRun.run(
      ranks: ranks, program: "skiptune-scenarios", arguments: ["agreed-failure", "\(culprit)"])
    let suffix = ranks > 1 ? " (rank \(culprit) of \(ranks))" : ""
    #expect(outcome.stderr == "labels.json: label 3 is missing\(suffix); add it\n")
    #expect(outcome.stdout == "")
    #expect(outcome.status == 65)
  }

  @Test(arguments: [0, 1]) func aFailureThatOthersDoNotKnowEndsThemToo(culprit: Int) throws {
    let outcome = try MPIRun.run(ranks: 3, program: "skiptune-scenarios", arguments: ["lone-failure", "\(culprit)"])
    #expect(!outcome.timedOut)
    #expect(outcome.stderr.contains("rank \(culprit) of 3: labels.json: label 3 is missing\n"))
    #expect(outcome.stdout == "")
    #expect(outcome.status == 65)
  }

  @Test(arguments: [0, 2]) func aRankThatDiesEndsTheRun(victim: Int) throws {
    let outcome = try MPIRun.run(
      ranks: 3, program: "skiptune-scenarios", arguments: ["death", "\(victim)"], timeout: .seconds(30))
    #expect(!outcome.timedOut)
    #expect(outcome.status == 128 + 9)
  }

  @Test func aLauncherOfAnotherInstallationIsAnError() throws {
    let environment = MPIRun.cleanEnvironment.merging(["PMI_SIZE": "4"]) { $1 }
    let outcome = try ProcessRunner.run(
      BuiltProducts.url("skiptune-scenarios"), ["all-reduce"], environment: environment, timeout: .seconds(60))
    #expect(outcome.stderr.hasPrefix("PMI_SIZE=4: the launcher started 4 processes, but MPI finds a world of 1"))
    #expect(outcome.status == 64)
  }
}
