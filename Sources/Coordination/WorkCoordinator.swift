import Collectives
import Foundation

/// Rank 0: hands work out, is told the results, and works itself unless it is dedicated.
final class WorkCoordinator {
  /// Microseconds between two looks of a coordinator that does nothing else.
  private static let pause: UInt32 = 2000

  private let collectives: any MessagePassing
  private let channel: MessageChannel<WorkMessage>
  private let onResult: (WorkChunk, [UInt8]) throws -> Void
  private let works: Bool
  private var queue: WorkQueue
  private var bench: Workbench
  /// Ranks that have not said farewell.
  private var peers: Set<Int>
  /// Those of them that wait for an answer.
  private var asking: Set<Int> = []
  /// Those that were told the end.
  private var ended: Set<Int> = []
  /// A failure anywhere; the first one here.
  private var isFailing = false
  private var problem: (any Error)?

  init(
    _ collectives: any MessagePassing, _ coordination: WorkSharing.Coordination, works: Bool,
    _ start: @escaping (WorkChunk) throws -> any ChunkWork
  ) {
    self.collectives = collectives
    channel = MessageChannel(collectives, tag: WorkMessage.tag)
    onResult = coordination.onResult
    self.works = works
    queue = coordination.queue()
    bench = Workbench(start)
    peers = Set(1..<max(1, collectives.worldSize))
  }

  /// Returns when every rank has said farewell; what went wrong here is returned, what went wrong between ranks thrown.
  func run() throws -> Result<Void, any Error> {
    for peer in peers { try channel.listen(to: peer) }
    while true {
      _ = try serve()
      if try work() { continue }
      if peers.isEmpty && (isFailing || queue.isExhausted) { break }
      var heard = false
      try collectives.wait(in: "wait for \(words(of: peers))") {
        heard = try serve()
        // Ranks ask one batch ahead, so an answer may take its time.
        if !heard, !works { usleep(Self.pause) }
        return heard
      }
    }
    try channel.flush()
    return problem.map { .failure($0) } ?? .success(())
  }

  private func words(of ranks: Set<Int>) -> String {
    "results of \(ranks.count == 1 ? "rank" : "ranks") \(ranks.sorted().map(String.init).joined(separator: ", "))"
  }

  // MARK: Own work

  /// A batch of this rank's own; false where there is none to do.
  private func work() throws -> Bool {
    guard works, !isFailing else { return false }
    do {
      if bench.wantsMore, case .chunk(let chunk) = queue.take(for: 0) { try bench.add(chunk) }
      guard !bench.isEmpty else { return false }
      if let finished = try bench.step() { try note(finished.chunk, finished.seconds, finished.result) }
    } catch {
      try fail(error)
    }
    return true
  }

  private func note(_ chunk: WorkChunk, _ seconds: Double, _ result: [UInt8]) throws {
    queue.finish(chunk, seconds: seconds)
    try onResult(chunk, result)
  }

  private func fail(_ error: (any Error)?) throws {
    problem = problem ?? error
    isFailing = true
    bench.clear()
    for peer in peers.subtracting(ended).sorted() { try end(peer) }
  }

  // MARK: Others

  /// Takes in what has come, and answers; whether anything had.
  private func serve() throws -> Bool {
    var heard = false
    for peer in peers.sorted() {
      guard let message = try channel.take(from: peer) else { continue }
      heard = true
      try follow(message, of: peer)
    }
    if heard { try answer() }
    return heard
  }

  private func follow(_ message: WorkMessage, of peer: Int) throws {
    switch message.kind {
    case .request: asking.insert(peer)
    case .result:
      let result = try channel.takePayload(of: message, from: peer)
      do { try note(message.chunk, message.seconds, result) } catch { try fail(error) }
    case .farewell:
      if !ended.contains(peer) { try end(peer) }
      peers.remove(peer)
      queue.leave(peer)
      if message.flag { try fail(nil) }
      return
    case .work, .end: preconditionFailure("rank \(peer) takes itself for the coordinator")
    }
    try channel.listen(to: peer)
  }

  private func answer() throws {
    for peer in asking.subtracting(ended).sorted() {
      switch isFailing ? .nothing : queue.take(for: peer) {
      case .chunk(let chunk):
        asking.remove(peer)
        try channel.send(WorkMessage(.work, chunk: chunk), to: peer)
      case .later: break
      case .nothing:
        queue.leave(peer)
        try end(peer)
      }
    }
  }

  private func end(_ peer: Int) throws {
    ended.insert(peer)
    asking.remove(peer)
    try channel.send(WorkMessage(.end, flag: isFailing), to: peer)
  }
}
