import Collectives
import Dispatch
import ShardFiles
import Tensors

/// A vector of training's state as checkpoints hold it.
struct StateVector {
  let name: String
  /// The elements that this rank saves, ascending; the ranges of all ranks hold each element of the vector once.
  let ranges: [Range<Int>]
  /// Copies the elements of a range to memory for as many.
  let copy: @Sendable (Range<Int>, UnsafeMutableBufferPointer<Float>) -> Void

  /// Elements that this rank saves.
  var count: Int { ranges.reduce(0) { $0 + $1.count } }
}

/// Copies of state vectors that stay as they are while training goes on.
///
/// The memory is taken at the first copy and used again for the next: fresh memory would cost as much time as the copying.
final class StateSnapshot {
  private let vectors: [StateVector]
  private let threads: Int
  private var memory: [Tensor] = []

  /// Snapshots by `threads` threads; takes no memory yet.
  init(_ vectors: [StateVector], threads: Int) {
    self.vectors = vectors
    self.threads = threads
  }

  /// Elements that a thread copies at a time.
  private static var pieceCount: Int { 1 << 20 }

  /// The vectors as they are now; valid until the next call, which no reader of the former may outlast.
  ///
  /// `base` gives the values before training of those vectors that have such.
  func take(base: (String) -> BaseValues?) -> [ShardSource] {
    if memory.isEmpty { memory = vectors.map { Tensor(uninitialized: [$0.count]) } }
    var sources: [ShardSource] = []
    for (vector, memory) in zip(vectors, memory) {
      let base = base(vector.name)
      var start = 0
      for range in vector.ranges {
        let part = memory.slice(start..<start + range.count)
        copy(range, of: vector, to: part)
        sources.append(ShardSource(vector.name, start: range.lowerBound, part, base: base))
        start += range.count
      }
    }
    return sources
  }

  private func copy(_ range: Range<Int>, of vector: StateVector, to target: Tensor) {
    let pieces = stride(from: 0, to: range.count, by: Self.pieceCount).map {
      $0..<min(range.count, $0 + Self.pieceCount)
    }
    let workers = min(threads, pieces.count)
    DispatchQueue.concurrentPerform(iterations: workers) { worker in
      for index in stride(from: worker, to: pieces.count, by: workers) {
        let piece = pieces[index]
        vector.copy(
          range.lowerBound + piece.lowerBound..<range.lowerBound + piece.upperBound,
          UnsafeMutableBufferPointer(rebasing: target.buffer[piece]))
      }
    }
  }
}
