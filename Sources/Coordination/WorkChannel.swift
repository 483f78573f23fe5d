import Collectives
import Diagnostics

/// Messages of work between this rank and others: one receive is open per peer, and what is sent is kept until it has left.
final class WorkChannel {
  private struct Outgoing {
    let transfer: Transfer
    let memory: UnsafeMutableRawBufferPointer
  }

  private let collectives: any MessagePassing
  private var incoming: [Int: Transfer] = [:]
  private var heads: [Int: UnsafeMutableRawBufferPointer] = [:]
  private var outgoing: [Outgoing] = []

  /// Below those of `NodeGroup` and `RowExchange`.
  private static let headTag = MessageTag.end - 3
  private static let payloadTag = MessageTag.end - 4

  init(_ collectives: any MessagePassing) { self.collectives = collectives }

  deinit {
    // A receive that is still open after a failure owns its memory for good: the library may write to it.
    for (peer, memory) in heads where incoming[peer] == nil { memory.deallocate() }
  }

  /// Opens a receive for the next message of a rank.
  func listen(to peer: Int) throws {
    let memory = heads[peer] ?? .allocate(byteCount: WorkMessage.byteCount, alignment: 8)
    heads[peer] = memory
    incoming[peer] = try collectives.receive(into: memory, from: peer, tag: Self.headTag)
  }

  /// The next message of a rank that is listened to, if it has come; listening ends with it.
  func take(from peer: Int) throws -> WorkMessage? {
    try dropSent()
    guard let transfer = incoming[peer], try collectives.isDone(transfer) else { return nil }
    incoming[peer] = nil
    guard let message = WorkMessage(UnsafeRawBufferPointer(heads[peer]!)) else {
      throw Failure(.internalError, "rank \(peer) sent a message of work that cannot be read")
    }
    return message
  }

  /// The bytes that follow a message of a rank.
  func takePayload(of message: WorkMessage, from peer: Int) throws -> [UInt8] {
    guard message.payload > 0 else { return [] }
    let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: message.payload, alignment: 8)
    let transfer = try collectives.receive(into: memory, from: peer, tag: Self.payloadTag)
    try collectives.wait(for: [transfer])
    defer { memory.deallocate() }
    return Array(memory)
  }

  /// Starts to send a message, with the bytes that follow it.
  func send(_ message: WorkMessage, _ payload: [UInt8] = [], to peer: Int) throws {
    try start(message.encoded, to: peer, tag: Self.headTag)
    if !payload.isEmpty { try start(payload, to: peer, tag: Self.payloadTag) }
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
  func flush() throws {
    try collectives.wait(for: outgoing.map(\.transfer))
    outgoing.forEach { $0.memory.deallocate() }
    outgoing = []
  }
}
