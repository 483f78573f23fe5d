import Collectives
import Diagnostics
import ShardFiles

extension Checkpoint {
  /// Reads a range of a stored vector, whoever wrote it: any rank may read any range.
  ///
  /// `destination` has as many elements as the range. `base` holds the vector before training and is needed for
  /// "parameters", which are stored as differences where that is smaller; the destination itself may hold those values
  /// before the call. Memory beside the destination is bounded by one frame. Every frame's checksum is compared; the hashes of the shards are not (see `verify`). Throws
  /// `Failure(.badData)`.
  package func read(
    _ vector: String, _ range: Range<Int>, into destination: UnsafeMutableBufferPointer<Float>, base: BaseValues? = nil
  ) throws {
    precondition(range.lowerBound >= 0 && destination.count == range.count, "elements \(range) do not fit")
    guard manifest.vectorNames.contains(vector) else {
      throw failure("the checkpoint holds no \(quoted(vector)), only \(manifest.vectorNames.joined(separator: ", "))")
    }
    guard range.upperBound <= manifest.trainedCount else {
      throw failure("the checkpoint holds \(manifest.trainedCount) trained values, not \(range.upperBound)")
    }
    for (rank, shard) in manifest.shards.enumerated() {
      let isNeeded = shard.sections.contains { $0.name == vector && !$0.range.clamped(to: range).isEmpty }
      if isNeeded { try self.shard(rank).read(vector, range, into: destination, base: base) }
    }
  }

  /// Reads a whole stored vector on every rank.
  ///
  /// Each rank reads its even share, and the shares are all-gathered: the file system delivers and the CPUs decompress each
  /// value once, at any number of ranks. Throws the same `Failure` on all ranks. Collective: all ranks call this in the same
  /// order.
  package func readAll(
    _ vector: String, into destination: UnsafeMutableBufferPointer<Float>, base: BaseValues? = nil,
    _ collectives: any Collectives
  ) throws {
    let worldSize = collectives.worldSize
    let shares = (0..<worldSize).map { evenShard(of: destination.count, rank: $0, worldSize: worldSize) }
    let own = shares[collectives.rank]
    try collectives.agree {
      guard destination.count == manifest.trainedCount else {
        throw failure("the checkpoint holds \(manifest.trainedCount) trained values, the run \(destination.count)")
      }
      try read(vector, own, into: UnsafeMutableBufferPointer(rebasing: destination[own]), base: base)
    }
    try collectives.allGather(into: destination, counts: shares.map(\.count))
  }

  private func failure(_ problem: String) -> Failure {
    Failure(.badData, at: folder.path, problem, remedy: "use a checkpoint of this run")
  }
}
