import Collectives
import Diagnostics
import ShardFiles
import Tensors

extension Checkpoint {
  /// Reads a range of a stored vector, whoever wrote it: any rank may read any range.
  ///
  /// `destination` has as many elements as the range. `base` holds the vector before training and is needed for
  /// "parameters", which are stored as differences where that is smaller; the destination itself may hold those values
  /// before the call. Memory beside the destination is bounded by one frame. Every frame's checksum is compared; the
  /// hashes of the shards are not (see `verify`). Throws `Failure(.badData)`.
  package func read(
    _ vector: String, _ range: Range<Int>, into destination: UnsafeMutableBufferPointer<Float>, base: BaseValues? = nil
  ) throws {
    try CheckpointVector(vector, of: self, base: base).read(range, into: destination)
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

  fileprivate func failure(_ problem: String) -> Failure {
    Failure(.badData, at: folder.path, problem, remedy: "use a checkpoint of this run")
  }
}

/// One stored vector of a checkpoint, read piece by piece.
///
/// Ranges in ascending order cost each frame once. Memory is that of one frame, about 17 MB. Use it from one thread at a
/// time.
package final class CheckpointVector: VectorSource {
  private let name: String
  private let checkpoint: Checkpoint
  private let base: BaseValues?
  private var current: (rank: Int, cursor: ShardCursor)?

  /// `base` is needed for a vector that is stored as differences.
  ///
  /// Throws `Failure(.badData)` where the checkpoint holds no such vector.
  package init(_ name: String, of checkpoint: Checkpoint, base: BaseValues? = nil) throws {
    let names = checkpoint.manifest.vectorNames
    guard names.contains(name) else {
      throw checkpoint.failure("the checkpoint holds no \(quoted(name)), only \(names.joined(separator: ", "))")
    }
    self.name = name
    self.checkpoint = checkpoint
    self.base = base
  }

  /// Elements of the trained vector.
  package var count: Int { checkpoint.manifest.trainedCount }

  /// As `Checkpoint.read`.
  package func read(_ range: Range<Int>, into destination: UnsafeMutableBufferPointer<Float>) throws {
    precondition(range.lowerBound >= 0 && destination.count == range.count, "elements \(range) do not fit")
    guard range.upperBound <= count else {
      throw checkpoint.failure("the checkpoint holds \(count) trained values, not \(range.upperBound)")
    }
    for (rank, shard) in checkpoint.manifest.shards.enumerated() {
      let isNeeded = shard.sections.contains { $0.name == name && !$0.range.clamped(to: range).isEmpty }
      if isNeeded { try cursor(rank).read(name, range, into: destination, base: base) }
    }
  }

  private func cursor(_ rank: Int) throws -> ShardCursor {
    if let current, current.rank == rank { return current.cursor }
    current = nil  // Its memory goes before new memory is taken.
    let cursor = try ShardCursor(checkpoint.shard(rank))
    current = (rank, cursor)
    return cursor
  }
}
