import Collectives
import Testing

@Suite struct EvenShardTests {
  @Test(arguments: [0, 1, 2, 7, 100, 62_100_001], 1...9)
  func shardsCoverTheWholeInOrderAndDifferByAtMostOne(count: Int, size: Int) {
    let shards = (0..<size).map { evenShard(of: count, rank: $0, worldSize: size) }
    #expect(shards.first?.lowerBound == 0)
    #expect(shards.last?.upperBound == count)
    for (shard, next) in zip(shards, shards.dropFirst()) {
      #expect(shard.upperBound == next.lowerBound)
      #expect((0...1).contains(shard.count - next.count))  // Lower ranks get the remainder.
    }
    #expect(shards[0].count - shards[size - 1].count <= 1)
  }

  @Test func lowerRanksHoldTheRemainder() {
    #expect((0..<4).map { evenShard(of: 10, rank: $0, worldSize: 4) } == [0..<3, 3..<6, 6..<8, 8..<10])
  }
}
