import Diagnostics
import Testing

@testable import Collectives

@Suite struct RollCallTests {
  private static let hosts = ["a", "a", "b", "b", "c"]

  private func report(_ rank: Int, _ call: String?, operation: Int = 7, waited: Double = 31) -> RankReport {
    RankReport(
      rank: rank, call: call, operations: operation, secondsWaited: call == nil ? 0 : waited,
      activity: rank == 4 ? "" : "step 12, gradients")
  }

  /// The roll call of rank 0, which waits in an all-reduce among five and hears these.
  private func rollCall(asks: Set<Int> = [], _ heard: [RankReport]) -> RollCall {
    var rollCall = RollCall(
      own: report(0, "all-reduce"), expected: Array(0..<5), hosts: Self.hosts, deadline: .seconds(30))
    for report in heard { rollCall.hear(report, isQuestion: asks.contains(report.rank)) }
    return rollCall
  }

  private func loss(_ verdict: RollCall.Verdict) -> String? {
    if case .giveUp(let failure) = verdict, failure.status == .internalError { failure.description } else { nil }
  }

  @Test func whoIsSilentIsMissing() {
    let two = rollCall([report(1, "all-reduce"), report(2, "all-reduce"), report(3, "all-reduce")])
    #expect(!two.isComplete)
    #expect(
      loss(two.verdict(isLast: false))
        == "no answer for 30 s in all-reduce (step 12, gradients): rank 4 on host c is missing (stopped, dead or cut "
        + "off); ranks 0-3 are waiting; look there, then start again")
    let four = rollCall([report(3, nil)])
    #expect(
      loss(four.verdict(isLast: false))
        == "no answer for 30 s in all-reduce (step 12, gradients): rank 1 on host a, rank 2 on host b and rank 4 on host "
        + "c are missing (stopped, dead or cut off); rank 0 is waiting, rank 3 is at work; look there, then start again"
    )
  }

  @Test func whoWorksGetsTimeButNotForEver() {
    let all = rollCall([report(1, nil), report(2, "all-reduce"), report(3, "all-reduce"), report(4, nil)])
    #expect(all.isComplete)
    #expect(
      all.verdict(isLast: false)
        == .wait(
          "rank 1 on host a and rank 4 on host c are still at work (step 12, gradients); ranks 0, 2, 3 have waited for "
            + "30 s or more in all-reduce"))
    #expect(
      loss(all.verdict(isLast: true))
        == "no answer for 30 s in all-reduce (step 12, gradients): rank 1 on host a and rank 4 on host c are alive (step "
        + "12, gradients), but do not come; ranks 0, 2, 3 are waiting, ranks 1, 4 are at work")
  }

  /// It waits for what another has just sent, so something still moves.
  @Test func whoHasJustBegunToWaitCountsAsAtWork() {
    let moving = rollCall((1..<5).map { report($0, "receive", waited: $0 == 2 ? 14 : 31) })
    guard case .wait(let words) = moving.verdict(isLast: false) else {
      Issue.record("\(moving.verdict(isLast: false))")
      return
    }
    #expect(words.hasPrefix("rank 2 on host b is still at work"))
    let stuck = rollCall((1..<5).map { report($0, "receive", waited: 16) })
    #expect(loss(stuck.verdict(isLast: false)) != nil)
  }

  @Test func allInOneOperationMeansThatNothingArrives() {
    let all = rollCall((1..<5).map { report($0, "all-reduce") })
    #expect(
      loss(all.verdict(isLast: false))
        == "no answer for 30 s in all-reduce (step 12, gradients): all ranks wait in it, but nothing arrives; look at the "
        + "network between their hosts")
  }

  @Test func differentOperationsMeanOutOfStep() {
    let all = rollCall([
      report(1, "barrier"), report(2, "barrier"), report(3, "all-reduce"), report(4, "barrier", operation: 8),
    ])
    #expect(
      loss(all.verdict(isLast: false))
        == "no answer for 30 s in all-reduce (step 12, gradients): ranks are out of step: ranks 0, 3 wait in all-reduce "
        + "(operation 7), ranks 1, 2 wait in barrier (operation 7), rank 4 waits in barrier (operation 8)")
  }

  @Test func theLowestThatAsksSpeaks() {
    #expect(rollCall(asks: [2, 3], [report(2, "all-reduce"), report(3, "all-reduce")]).isSpeaker)
    var rollCall = RollCall(own: report(3, "barrier"), expected: [0, 3], hosts: Self.hosts, deadline: .seconds(30))
    #expect(rollCall.isSpeaker)
    rollCall.hear(report(0, nil), isQuestion: false)
    #expect(rollCall.isSpeaker)
    rollCall.hear(report(0, "barrier"), isQuestion: true)
    #expect(!rollCall.isSpeaker)
  }

  @Test func aNodeIsSilentWhenAllItsRanksAre() {
    #expect(rollCall([report(1, nil), report(3, nil)]).isNodeSilent([0, 0, 1, 1, 2]))
    #expect(!rollCall([report(1, nil), report(3, nil), report(4, nil)]).isNodeSilent([0, 0, 1, 1, 2]))
    #expect(!rollCall([]).isNodeSilent([0, 0, 0, 0, 0]))
  }

  @Test func inALargeWorldNeighboursAndOneOfEachNodeAreAsked() {
    let nodes = [0, 0, 1, 1, 0, 2, 2, 2]
    #expect(RollCall.expected(by: 3, nodes: nodes, limit: 8) == Array(0..<8))
    #expect(RollCall.expected(by: 3, nodes: nodes, limit: 7) == [0, 2, 3, 5])
    #expect(RollCall.expected(by: 7, nodes: nodes, limit: 7) == [0, 2, 5, 6, 7])
  }

  @Test(arguments: [("receive of 8 bytes from rank 1, tag 3", "step 12, \"ä\"\n"), (nil, "")])
  func reportsSurviveTheJourney(call: String?, activity: String) {
    let report = RankReport(rank: 3, call: call, operations: 1 << 40, secondsWaited: 0.25, activity: activity)
    #expect(RankReport(encoded: report.encoded()) == report)
    #expect(RankReport(encoded: Array(report.encoded().dropLast())) == nil)
    let long = RankReport(
      rank: 0, call: String(repeating: "ä", count: 5000), operations: 0, secondsWaited: 0, activity: "")
    #expect(long.encoded().count < 1000)
  }

  @Test(arguments: [
    ([2], "rank 2"), ([3, 0, 1], "ranks 0, 1, 3"), ([0, 1, 2, 3, 9], "ranks 0-3, 9"),
    ([4, 5, 7, 8, 9], "ranks 4, 5, 7-9"),
  ]) func ranksInWords(ranks: [Int], words: String) {
    #expect(RankList(ranks).description == words)
  }
}
