import Collectives
import Diagnostics

/// What a channel carries: a head of a size that either side knows beforehand, and bytes that may follow it.
package protocol ChannelMessage {
  /// Size of a head.
  static var byteCount: Int { get }
  /// Reads what `encoded` wrote; nil for anything else.
  init?(_ bytes: UnsafeRawBufferPointer)
  /// The head.
  var encoded: [UInt8] { get }
  /// Bytes that follow.
  var payload: Int { get }
}

/// Heads that are a few whole numbers, little-endian, eight bytes each.
package enum MessageNumbers {
  /// The numbers as bytes.
  package static func encoded(_ numbers: [Int64]) -> [UInt8] {
    numbers.flatMap { withUnsafeBytes(of: $0.littleEndian, Array.init) }
  }

  /// What `encoded` wrote; nil where these are not `count` numbers.
  package static func decoded(_ bytes: UnsafeRawBufferPointer, count: Int) -> [Int64]? {
    guard bytes.count == count * MemoryLayout<Int64>.size else { return nil }
    return (0..<count).map { Int64(littleEndian: bytes.loadUnaligned(fromByteOffset: 8 * $0, as: Int64.self)) }
  }
}

/// Messages between this rank and others: one receive is open per peer, and what is sent is kept until it has left.
package final class MessageChannel<Message: ChannelMessage> {
  private struct Outgoing {
    let transfer: Transfer
    let memory: UnsafeMutableRawBufferPointer
  }

  private let collectives: any MessagePassing
  private var incoming: [Int: Transfer] = [:]
  private var heads: [Int: UnsafeMutableRawBufferPointer] = [:]
  private var outgoing: [Outgoing] = []

  private let headTag, payloadTag: Int

  /// A channel whose messages have the `tag` and the one below; no other messages between these ranks may have them.
  package init(_ collectives: any MessagePassing, tag: Int) {
    self.collectives = collectives
    (headTag, payloadTag) = (tag, tag - 1)
  }

  deinit {
    // A receive that is still open after a failure owns its memory for good: the library may write to it.
    for (peer, memory) in heads where incoming[peer] == nil { memory.deallocate() }
  }

  /// Opens a receive for the next message of a rank.
  package func listen(to peer: Int) throws {
    let memory = heads[peer] ?? .allocate(byteCount: Message.byteCount, alignment: 8)
    heads[peer] = memory
    incoming[peer] = try collectives.receive(into: memory, from: peer, tag: headTag)
  }

  /// The next message of a rank that is listened to, if it has come; listening ends with it.
  package func take(from peer: Int) throws -> Message? {
    try dropSent()
    guard let transfer = incoming[peer], try collectives.isDone(transfer) else { return nil }
    incoming[peer] = nil
    guard let message = Message(UnsafeRawBufferPointer(heads[peer]!)) else {
      throw Failure(.internalError, "rank \(peer) sent a message that cannot be read")
    }
    return message
  }

  /// The bytes that follow a message of a rank.
  package func takePayload(of message: Message, from peer: Int) throws -> [UInt8] {
    guard message.payload > 0 else { return [] }
    let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: message.payload, alignment: 8)
    let transfer = try collectives.receive(into: memory, from: peer, tag: payloadTag)
    try collectives.wait(for: [transfer])
    defer { memory.deallocate() }
    return Array(memory)
  }

  /// Starts to send a message, with the bytes that follow it.
  package func send(_ message: Message, _ payload: [UInt8] = [], to peer: Int) throws {
    try start(message.encoded, to: peer, tag: headTag)
    if !payload.isEmpty { try start(payload, to: peer, tag: payloadTag) }
  }

  private func start(_ bytes: [UInt8], to peer: Int, tag: Int) throws {
    let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: bytes.count, alignment: 8)
    memory.copyBytes(from: bytes)
    let transfer = try collectives.send(UnsafeRawBufferPointer(memory), to: peer, tag: tag)
    outgoing.append(Outgoing(transfer: transfer, memory: memory))
  }

  private func dropSent() throws {
    try outgoing.removeAll { message in
      guard try collectives.isDone(message.transfer) else { return false }
      message.memory.deallocate()
      return true
    }
  }

  /// Returns when everything has left.
  package func flush() throws {
    try collectives.wait(for: outgoing.map(\.transfer))
    outgoing.forEach { $0.memory.deallocate() }
    outgoing = []
  }
}
