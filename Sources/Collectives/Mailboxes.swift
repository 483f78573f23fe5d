import Diagnostics

/// Messages of a `LoopbackWorld` of which one side is still missing.
///
/// A message is copied when both sides have asked for it, so a send is not done before its receive has started: what
/// needs a buffer in between to go on fails here, whatever it does on a cluster. Used under the lock of `Rendezvous`.
struct Mailboxes {
  /// Which messages are in order among each other.
  private struct Address: Hashable {
    var source, destination, tag: Int
  }

  private struct Posted {
    let transfer: Transfer
    let bytes: UnsafeMutableRawBufferPointer
  }

  /// Either sends or receives, in order; never both at one address.
  private var posted: [Address: [Posted]] = [:]

  /// Adds one side of a message; if the other is there, both are done.
  ///
  /// The bytes of a send are only read. Throws if the two sides differ in size.
  mutating func post(_ transfer: Transfer, _ bytes: UnsafeMutableRawBufferPointer, rank: Int) throws {
    let isSend = transfer.role == .send
    let address = Address(
      source: isSend ? rank : transfer.peer, destination: isSend ? transfer.peer : rank, tag: transfer.tag)
    let posted = Posted(transfer: transfer, bytes: bytes)
    guard let other = self.posted[address]?.first, other.transfer.role != transfer.role else {
      self.posted[address, default: []].append(posted)
      return
    }
    self.posted[address]?.removeFirst()
    if self.posted[address]?.isEmpty == true { self.posted[address] = nil }
    let (source, target) = isSend ? (posted, other) : (other, posted)
    guard source.bytes.count == target.bytes.count else {
      throw Failure(
        .internalError,
        "ranks are out of step: rank \(address.source) calls \(source.transfer.call), "
          + "rank \(address.destination) calls \(target.transfer.call)")
    }
    target.bytes.copyMemory(from: UnsafeRawBufferPointer(source.bytes))
    source.transfer.isFinished = true
    target.transfer.isFinished = true
  }

  /// A message under way that cannot be completed once `rank` has ended: who started it, and how.
  func unfinished(with rank: Int) -> (rank: Int, transfer: Transfer)? {
    let affected = posted.lazy.filter { $0.key.source == rank || $0.key.destination == rank }
    guard let (address, messages) = affected.first, let transfer = messages.first?.transfer else { return nil }
    return (transfer.role == .send ? address.source : address.destination, transfer)
  }
}
