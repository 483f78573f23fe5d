/// Collectives that also pass single messages and share memory within a node: what exchanges are built from.
///
/// Messages belong to two ranks and overtake nothing of the same sender, receiver and tag. Sending to oneself is
/// ordinary. Whether a sender's transfer is done before the receiver has asked for it is up to the implementation: who
/// waits for a send before starting the receive that the peer needs may wait for ever.
public protocol MessagePassing: Collectives {
  /// Node of each rank, by rank: numbers from 0 on, in order of each node's lowest rank.
  var nodes: [Int] { get }

  /// How long a wait may see nothing happen before the run is given up, unless the ranks that are waited for are known to
  /// be at work; may differ between ranks.
  var deadline: Duration { get set }

  /// What this rank is doing, in words such as `step 12, gradients`; asked for where a wait gets no answer, from any
  /// thread.
  var activity: @Sendable () -> String { get set }

  /// Starts to send; the memory must stay as it is until the transfer is done.
  ///
  /// Messages of the same sender, receiver and tag arrive in order. Zero bytes are allowed, and so are more than
  /// `Int32.max`. `tag` is in `0..<MessageTag.end`. Traps if `rank` or `tag` does not exist.
  func send(_ bytes: UnsafeRawBufferPointer, to rank: Int, tag: Int) throws -> Transfer

  /// Starts to receive a message of exactly this many bytes; the memory must not be touched until the transfer is done.
  ///
  /// Traps if `rank` or `tag` does not exist. A message of another size is a failure, here or where the transfer is
  /// waited for.
  func receive(into bytes: UnsafeMutableRawBufferPointer, from rank: Int, tag: Int) throws -> Transfer

  /// Moves communication on and tells whether the transfer is done; never blocks.
  func isDone(_ transfer: Transfer) throws -> Bool

  /// Returns when all are done.
  func wait(for transfers: [Transfer]) throws

  /// Some of the ranks as a world of their own, in which they count from 0; communicates nothing.
  ///
  /// Computes to the bit what a run of so many ranks does. Its messages are never taken for those of the whole world, but
  /// for those of another part that the same two ranks belong to: let parts be disjoint. `deadline` is that of the world
  /// under MPI. Traps unless `ranks` ascend and hold this rank.
  func world(of ranks: [Int]) -> any MessagePassing

  /// Memory, zeroed, that all ranks of this node see, with `counters` that one rank may set while another looks.
  ///
  /// Its start is aligned to a page. To wait for a counter, use `wait(in:until:)`: a loop of one's own would not
  /// end where the other rank is lost. The bytes start a page. The memory lives until the last rank lets go of it. Collective: all ranks call this in the
  /// same order; `byteCount` and `counters` are the same on the ranks of a node.
  func nodeMemory(byteCount: Int, counters: Int) throws -> any NodeMemory

  /// Asks again and again, politely, until `isDone`: for whatever else this rank waits for, such as counters of node
  /// memory, or several exchanges at once.
  ///
  /// Lets communication move on between two questions, and ends as every wait does: the deadline counts from the last
  /// message that was done. `isDone` may use these collectives; it must not compute for long.
  func wait(in call: String, until isDone: () throws -> Bool) throws
}

/// Limits of the tags by which messages between two ranks are told apart.
public enum MessageTag {
  /// First number that is no tag.
  public static let end = 1 << 20
}

extension MessagePassing {
  /// Node of this rank.
  public var node: Int { nodes[rank] }

  /// Nodes of the run, at least 1.
  public var nodeCount: Int { (nodes.max() ?? 0) + 1 }

  /// Ranks of a node, ascending.
  public func ranks(ofNode node: Int) -> [Int] { nodes.indices.filter { nodes[$0] == node } }

  /// This rank's place among `ranks`; traps unless they ascend and hold it.
  package func place(in ranks: [Int]) -> Int {
    precondition(
      zip(ranks, ranks.dropFirst()).allSatisfy(<) && ranks.allSatisfy((0..<worldSize).contains),
      "ranks \(ranks) of a world of \(worldSize)")
    guard let place = ranks.firstIndex(of: rank) else { preconditionFailure("rank \(rank) is none of \(ranks)") }
    return place
  }

  /// Nodes of some ranks, numbered in order of their lowest ranks.
  package func nodes(of ranks: [Int]) -> [Int] {
    var numbers: [Int: Int] = [:]
    return ranks.map { rank in
      let number = numbers[nodes[rank]] ?? numbers.count
      numbers[nodes[rank]] = number
      return number
    }
  }

  /// Traps unless there are such a rank and such a tag.
  package func checkAddress(_ rank: Int, tag: Int) {
    precondition((0..<worldSize).contains(rank), "rank \(rank) is not in a world of \(worldSize)")
    precondition((0..<MessageTag.end).contains(tag), "\(tag) is no tag")
  }
}

/// A message under way, as one of its two ranks sees it.
///
/// Ask the collectives that started it whether it is done, on the thread that communicates.
public final class Transfer: @unchecked Sendable {  // Only the implementation that started it changes it.
  /// What this rank does.
  public enum Role: String, Sendable {
    case send, receive
  }

  /// What this rank does.
  public let role: Role
  /// The other rank.
  public let peer: Int
  /// What tells it apart from other messages between the two.
  public let tag: Int
  /// Size of the message.
  public let byteCount: Int

  /// The library's requests that are not done yet, one per part of a long message; unused by the loopback twin.
  package var requests: [UInt] = []
  /// Parts of the message that were done.
  package var finishedRequests = 0
  /// Set once by the implementation.
  package var isFinished = false

  package init(_ role: Role, peer: Int, tag: Int, byteCount: Int) {
    self.role = role
    self.peer = peer
    self.tag = tag
    self.byteCount = byteCount
  }

  /// In words, for failures: `receive(8 bytes, from: 2, tag: 3)`.
  package var call: String { "\(role)(\(byteCount) bytes, \(role == .send ? "to" : "from"): \(peer), tag: \(tag))" }
}
