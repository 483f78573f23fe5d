import Collectives
import Testing

@testable import Training

@Suite struct RankBalanceTests {
  @Test func itIsTheMeanBesideTheSlowest() {
    #expect(RankBalance(seconds: [2, 2]).words() == "balance 100%")
    #expect(RankBalance(seconds: [1.9, 2, 1.8]).words() == "balance 95%")
    let uneven = RankBalance(seconds: [1, 1, 4])
    #expect(uneven.words() == "balance 50% (rank 2 is slowest)")
    #expect(uneven.words(isBrief: true) == "bal 50% (rank 2)")
    #expect(uneven.remark == ", balance 50% (rank 2 is slowest)")
    #expect(RankBalance(seconds: [1.9, 2]).remark.isEmpty)
  }

  @Test func nothingIsSaidOfOneRankOrOfNoWork() {
    for seconds in [[], [3], [0, 0], [-1, 0]] as [[Double]] {
      let balance = RankBalance(seconds: seconds)
      #expect(balance.evenness == nil && balance.words().isEmpty && balance.remark.isEmpty, "\(seconds)")
    }
  }

  @Test(arguments: 1...4) func ranksHearOfEachOther(count: Int) throws {
    let balances = try LoopbackWorld.run(size: count) { world in
      try RankBalance(ofOwn: 0.1 + Double(world.rank), world)
    }
    #expect(balances == Array(repeating: RankBalance(seconds: (0..<count).map { 0.1 + Double($0) }), count: count))
  }
}
