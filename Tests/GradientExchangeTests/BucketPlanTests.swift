import GradientExchange
import Testing

@Suite struct BucketPlanTests {
  /// Two groups whose segments come from the end of each.
  private static let segments = [
    BucketPlan.Segment(900..<1000, group: 0), BucketPlan.Segment(333..<900, group: 0),
    BucketPlan.Segment(0..<333, group: 0), BucketPlan.Segment(1700..<1701, group: 1),
    BucketPlan.Segment(1000..<1700, group: 1),
  ]

  @Test(arguments: [1, 2, 3, 5, 64, 4000], [1, 16, 100, 5000])
  func everyElementBelongsToOneBucketAndOneRank(worldSize: Int, bucketCount: Int) {
    let plan = BucketPlan(
      segments: Self.segments, worldSize: worldSize, bucketCount: bucketCount, firstBucketCount: 48)
    #expect(plan.count == 1701)
    var owners = [Int](repeating: 0, count: plan.count)
    for bucket in plan.buckets {
      #expect(!bucket.range.isEmpty && bucket.slices.count == worldSize)
      for slice in bucket.slices { for element in slice { owners[element] += 1 } }
      #expect(bucket.slices.reduce(0) { $0 + $1.count } == bucket.range.count)
      #expect(bucket.slices.allSatisfy { $0.isEmpty || ($0.lowerBound - bucket.range.lowerBound).isMultiple(of: 16) })
      let group = plan.segments.first { $0.range.overlaps(bucket.range) }!.group
      #expect(bucket.group == group)
      #expect(plan.segments.allSatisfy { !$0.range.overlaps(bucket.range) || $0.group == group })
    }
    #expect(owners.allSatisfy { $0 == 1 })
    for rank in 0..<worldSize { #expect(plan.owned(by: rank) == plan.buckets.map { $0.slices[rank] }) }
  }

  @Test func aBucketIsReadyWithTheSegmentThatReachesFurthestDown() {
    let plan = BucketPlan(segments: Self.segments, worldSize: 2, bucketCount: 200, firstBucketCount: 50)
    #expect(plan.buckets[0].range == 950..<1000 && plan.buckets[0].lastSegment == 0)
    for bucket in plan.buckets {
      for (index, segment) in plan.segments.enumerated() where segment.range.overlaps(bucket.range) {
        #expect(index <= bucket.lastSegment)
      }
    }
    let order = plan.buckets.map(\.lastSegment)
    #expect(order == order.sorted())
    for (index, segment) in plan.segments.enumerated() {
      let covering = plan.buckets(of: index).map { plan.buckets[$0].range }
      #expect(segment.range.allSatisfy { element in covering.contains { $0.contains(element) } })
    }
  }

  @Test func bucketsHaveAboutTheSameSize() {
    let plan = BucketPlan(
      segments: [BucketPlan.Segment(0..<10_000, group: 0)], worldSize: 1, bucketCount: 1000, firstBucketCount: 100)
    #expect(plan.buckets[0].range.count == 100)
    #expect(plan.buckets.dropFirst().allSatisfy { (960...1008).contains($0.range.count) })
  }
}
