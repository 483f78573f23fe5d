import Tensors

/// What rounding took from earlier messages and is added to the next ones, of some elements of the trained vector.
///
/// All ranks together hold each element of the vector once.
public struct RoundingErrors {
  /// The same on all ranks.
  public let name: String
  /// Elements of the trained vector that this rank holds.
  public let ranges: [Range<Int>]
  /// The errors of elements that lie in one of the ranges, shared.
  public let values: (Range<Int>) -> Tensor
}

extension ShardedExchange {
  /// All that rounding took; nothing where nothing is rounded.
  ///
  /// Read and written between exchanges. `updates` holds what owners will add to their next updates, `sums-K` what nodes will
  /// add to their next sums: of each element what the K-th node after the owner's will, counted around.
  public var roundingErrors: [RoundingErrors] {
    guard options.precision == .bfloat16, topology.nodeCount > 1 else { return [] }
    let updates = RoundingErrors(name: "updates", ranges: ownedRanges) { [self] range in
      owned(range, of: staging.updateResidual)
    }
    return [updates] + (1..<topology.nodeCount).map { errorsOfSums(distance: $0) }
  }

  /// What this rank's node will add to sums whose owners are so many nodes before it.
  private func errorsOfSums(distance: Int) -> RoundingErrors {
    let owners = topology.foreignOwners.filter {
      (topology.node - topology.nodes[$0] + topology.nodeCount) % topology.nodeCount == distance
    }
    let slices = plan.buckets.enumerated().flatMap { index, bucket in
      owners.map { (bucket: index, owner: $0, range: bucket.slices[$0]) }
    }.filter { !$0.range.isEmpty }
    return RoundingErrors(name: "sums-\(distance)", ranges: slices.map(\.range)) { [staging] range in
      let slice = slices.first { $0.range.contains(range) }!
      let start = range.lowerBound - slice.range.lowerBound
      return staging.residual(slice.bucket, slice.owner).slice(start..<start + range.count)
    }
  }
}
