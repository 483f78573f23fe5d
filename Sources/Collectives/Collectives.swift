/// How the values of all ranks become one.
///
/// `max` and `min` of numbers of which one is not a number are not a number, on every rank: a loss that has blown up on
/// one rank is seen by all.
public enum Reduction: String, Sendable, CaseIterable {
  case sum, max, min
}

/// Communication among the ranks of a run.
///
/// Every operation is collective: all ranks call it, in the same order, with the same operation and counts. It blocks
/// until this rank's part is done, and leaves bit-identical results on all ranks. A world of one rank is ordinary, so
/// callers need no special case for it. Floats that are not finite pass through unchanged.
///
/// Use an instance from one thread at a time. Operations throw a `Failure` when the ranks lose each other; the world is
/// then of no further use.
///
/// A conforming type adds non-blocking operations by refining this protocol, not by widening it: callers that only need
/// blocking operations keep asking for `Collectives`.
public protocol Collectives: AnyObject, Sendable {
  /// This process among all, in `0..<worldSize`.
  var rank: Int { get }
  /// Number of processes in the run, at least 1.
  var worldSize: Int { get }
  /// This process among those of the same host, in `0..<nodeSize`, in order of `rank`.
  var nodeRank: Int { get }
  /// Number of processes on this host, at least 1.
  var nodeSize: Int { get }
  /// Name of the host this rank runs on.
  var hostName: String { get }

  /// Returns when every rank has come here. Collective: all ranks call this in the same order.
  func barrier() throws

  /// Replaces each element by the reduction of that element over all ranks.
  ///
  /// Collective: all ranks call this in the same order, with the same count, which may be zero or exceed `Int32.max`.
  /// The order of a sum's terms is up to the implementation, but equal on all ranks.
  func allReduce<Element: CollectiveElement>(
    _ buffer: UnsafeMutableBufferPointer<Element>, _ operation: Reduction
  ) throws

  /// Copies the bytes of rank `root` over those of all others.
  ///
  /// Collective: all ranks call this in the same order, with the same root and count, which may be zero or exceed
  /// `Int32.max`. Traps if `root` is no rank.
  func broadcast(_ bytes: UnsafeMutableRawBufferPointer, root: Int) throws

  /// The bytes of every rank, indexed by rank; each rank may bring any number of them, none included.
  ///
  /// Collective: all ranks call this in the same order.
  func allGather(_ bytes: [UInt8]) throws -> [[UInt8]]

  /// Completes a buffer of which each rank has filled its own part.
  ///
  /// The buffer is the concatenation of `counts[0]`, `counts[1]`... elements; on entry the part of this rank is valid, on
  /// return all are. Collective: all ranks call this in the same order, with the same counts. Traps unless there is one
  /// count per rank and they add up to the buffer.
  func allGather(into buffer: UnsafeMutableBufferPointer<Float>, counts: [Int]) throws
}

extension Collectives {
  /// Replaces each element of an array by its reduction over all ranks.
  ///
  /// Collective: all ranks call this in the same order, with the same count.
  public func allReduce<Element: CollectiveElement>(_ elements: inout [Element], _ operation: Reduction) throws {
    try elements.withUnsafeMutableBufferPointer { try allReduce($0, operation) }
  }

  /// The reduction of one value of each rank.
  ///
  /// Collective: all ranks call this in the same order.
  public func allReduce<Element: CollectiveElement>(_ value: Element, _ operation: Reduction) throws -> Element {
    var elements = [value]
    try allReduce(&elements, operation)
    return elements[0]
  }

  /// The parts of an all-gathered buffer as ranges, after checking them: one count per rank, together `total`.
  package func segments(of counts: [Int], total: Int) -> [Range<Int>] {
    precondition(counts.count == worldSize, "\(counts.count) counts for \(worldSize) ranks")
    var end = 0
    let ranges = counts.map { count in
      precondition(count >= 0, "a rank cannot bring \(count) elements")
      defer { end += count }
      return end..<(end + count)
    }
    precondition(end == total, "the counts add up to \(end), but the buffer holds \(total) elements")
    return ranges
  }
}
