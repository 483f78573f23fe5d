/// The part of `0..<count` that belongs to a rank when the whole is split as evenly as possible.
///
/// Ranges are contiguous and follow each other in order of rank; the first `count % worldSize` ranks hold one more than the
/// others. Ranges are empty when there are fewer elements than ranks. Traps if `rank` is no rank of the world.
public func evenShard(of count: Int, rank: Int, worldSize: Int) -> Range<Int> {
  precondition(count >= 0, "cannot split \(count) elements")
  precondition(worldSize > 0 && (0..<worldSize).contains(rank), "rank \(rank) is not in a world of \(worldSize)")
  let (share, remainder) = count.quotientAndRemainder(dividingBy: worldSize)
  let start = rank * share + min(rank, remainder)
  return start..<(start + share + (rank < remainder ? 1 : 0))
}
