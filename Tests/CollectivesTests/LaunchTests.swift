import Diagnostics
import Testing

@testable import Collectives

@Suite struct LaunchTests {
  @Test(arguments: [
    ["OMPI_COMM_WORLD_SIZE": "4"], ["PMI_SIZE": "2"], ["SLURM_STEP_NUM_TASKS": "8"], ["PMIX_RANK": "1"],
    ["OMPI_COMM_WORLD_SIZE": "2", "SLURM_STEP_NUM_TASKS": "1"],
  ]) func aLauncherThatStartedMoreThanMPIFindsIsAnError(environment: [String: String]) throws {
    let error = #expect(throws: Failure.self) { try LaunchEnvironment(environment).validate(worldSize: 1) }
    #expect(error?.status == .usage)
    #expect(error?.description.contains("world of 1") == true)
    try LaunchEnvironment(environment).validate(worldSize: 2)
  }

  @Test(arguments: [
    [:], ["OMPI_COMM_WORLD_SIZE": "1"], ["SLURM_NTASKS": "8"], ["PMIX_RANK": "0"], ["PMI_SIZE": "one"],
    ["OMPI_COMM_WORLD_SIZE": "1", "SLURM_STEP_NUM_TASKS": "4"],
  ]) func aWorldOfOneIsOrdinary(environment: [String: String]) throws {
    try LaunchEnvironment(environment).validate(worldSize: 1)
  }

  /// CPU masks of the ranks of a host, and the share of the first.
  @Test(arguments: [
    ([[0xff]], 8), ([[0xff], [0xff]], 4), ([[0xff], [0xff], [0xff]], 2), ([[0x0f], [0xf0]], 4), ([[0x07], [0x0f]], 1),
    ([[0x01], [0x01]], 1), ([[0xff, 0xff]], 16), ([[0x80, 0x01], [0x00, 0x01]], 1), ([[0x00]], 1),
    ([[0x07], [0x07], [0x07]], 1),
  ]) func aRankGetsItsShareOfTheCPUs(masks: [[UInt8]], share: Int) {
    let sets = masks.map { CPUSet(bits: $0) }
    #expect(ThreadPlan.share(of: sets[0], among: sets) == share)
  }

  @Test func theUserDecidesAboutThreads() throws {
    let plans = try LoopbackWorld.run(size: 2) { collectives in
      try ThreadPlan(
        collectives: collectives, allowed: CPUSet(bits: [0x0f]), requested: collectives.rank == 0 ? "3" : nil)
    }
    #expect(plans.map(\.threads) == [3, 2])
    #expect(plans.map(\.allowedCPUs) == [4, 4])
    #expect(plans[0].warning?.contains("5 threads together, but may use only 4 CPUs") == true)
    #expect(plans[1].warning == plans[0].warning)
  }

  @Test func enoughCPUsNeedNoWarning() throws {
    let plans = try LoopbackWorld.run(size: 2) { collectives in
      try ThreadPlan(
        collectives: collectives, allowed: CPUSet(bits: [[0x03], [0x0c]][collectives.rank]), requested: nil)
    }
    #expect(plans.map(\.threads) == [2, 2])
    #expect(plans.allSatisfy { $0.warning == nil })
  }

  @Test(arguments: ["", "0", "-1", "many", "4097", ",2"]) func badThreadCountsAreUsageFailures(text: String) {
    let error = #expect(throws: Failure.self) { try ThreadPlan.threadCount(text) }
    #expect(error?.status == .usage)
  }

  @Test func aListOfThreadCountsGivesTheOutermost() throws {
    #expect(try ThreadPlan.threadCount("4,2") == 4)
    #expect(try ThreadPlan.threadCount(" 2 ") == 2)
  }
}
