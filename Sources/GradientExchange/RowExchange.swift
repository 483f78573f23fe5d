import Collectives
import Kernels
import Tensors

/// Sums rows of a matrix over all ranks, each row to the one rank that needs it: gradients of text features.
///
/// Messages go straight from rank to rank and are added in order of rank, so the sums are the same on every run. Used by
/// one thread.
public final class RowExchange {
  private let messages: any MessagePassing
  private var received = FloatStorage(uninitialized: 0)
  private var incoming: [(rank: Int, transfer: Transfer)] = []
  private var outgoing: [Transfer] = []
  private var own = 0..<0

  /// Above all tags of buckets.
  private static let tag = MessageTag.end - 1

  /// An exchange among all ranks.
  public init(_ messages: any MessagePassing) { self.messages = messages }

  /// Starts to sum `matrix [rows, columns]`, of which rank r gets the rows `shares[r]`.
  ///
  /// The matrix must stay as it is until `finish`. Collective: all ranks call this in the same order, with the same shares.
  public func start(_ matrix: Tensor, shares: [Range<Int>]) throws {
    precondition(incoming.isEmpty && outgoing.isEmpty && shares.count == messages.worldSize)
    own = shares[messages.rank]
    let count = own.count * matrix.columnCount
    let others = shares.indices.filter { $0 != messages.rank }
    if received.count < others.count * count { received = FloatStorage(uninitialized: others.count * count) }
    if !own.isEmpty {
      for (place, rank) in others.enumerated() {
        let bytes = UnsafeMutableRawBufferPointer(rows(place, count).buffer)
        incoming.append((rank, try messages.receive(into: bytes, from: rank, tag: Self.tag)))
      }
    }
    for rank in others where !shares[rank].isEmpty {
      let bytes = UnsafeRawBufferPointer(matrix.rows(shares[rank]).buffer)
      outgoing.append(try messages.send(bytes, to: rank, tag: Self.tag))
    }
  }

  /// Waits until the rows of this rank's share of the matrix hold their sums; the other rows are of no use afterwards.
  public func finish(_ matrix: Tensor) throws {
    try messages.wait(for: incoming.map(\.transfer) + outgoing)
    let target = matrix.rows(own)
    for place in incoming.indices { ElementWise.add(rows(place, target.count), to: target) }
    incoming = []
    outgoing = []
  }

  private func rows(_ place: Int, _ count: Int) -> Tensor {
    Tensor(received, offset: place * count, shape: [count])
  }
}
