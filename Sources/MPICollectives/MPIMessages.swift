import CMPIShims
import Collectives
import Diagnostics

extension MPICollectives {
  /// Most bytes of a message that are sent as one: enough for full speed, few enough to see that a long one moves.
  private static let partSize = 64 << 20

  /// Starts to send; a long message goes in parts.
  public func send(_ bytes: UnsafeRawBufferPointer, to rank: Int, tag: Int) throws -> Transfer {
    checkAddress(rank, tag: tag)
    return try start(.send, UnsafeMutableRawBufferPointer(mutating: bytes), rank, tag, MPI_SHIM_MESSAGES)
  }

  /// Starts to receive a message of exactly this many bytes.
  public func receive(into bytes: UnsafeMutableRawBufferPointer, from rank: Int, tag: Int) throws -> Transfer {
    checkAddress(rank, tag: tag)
    return try start(.receive, bytes, rank, tag, MPI_SHIM_MESSAGES)
  }

  /// Starts all parts of a message: at least one, as an empty message is one, too.
  func start(
    _ role: Transfer.Role, _ bytes: UnsafeMutableRawBufferPointer, _ peer: Int, _ tag: Int,
    _ channel: mpi_shim_channel
  ) throws -> Transfer {
    let peer = members?[peer] ?? peer
    let transfer = Transfer(role, peer: peer, tag: tag, byteCount: bytes.count)
    let parts = bytes.isEmpty ? [0..<0] : Array(parts(of: bytes.indices, limit: partLimit))
    for part in parts {
      var request: UInt = 0
      let start = bytes.baseAddress.map { $0 + part.lowerBound }
      let (count, peer, tag) = (Int32(part.count), Int32(peer), Int32(tag))
      switch role {
      case .send: try call("MPI_Isend") { mpi_shim_send(channel, start, count, peer, tag, &request) }
      case .receive: try call("MPI_Irecv") { mpi_shim_receive(channel, start, count, peer, tag, &request) }
      }
      transfer.requests.append(request)
    }
    return transfer
  }

  private var partLimit: Int { min(maximumCount, Self.partSize) }

  /// Lets MPI work and tells whether the transfer is done.
  public func isDone(_ transfer: Transfer) throws -> Bool {
    // Parts arrive in order: the first that is not there yet decides.
    while transfer.finishedRequests < transfer.requests.count {
      guard let received = try finish(transfer.requests[transfer.finishedRequests], transfer) else { return false }
      if transfer.role == .receive { try checkSize(received, transfer) }
      transfer.finishedRequests += 1
    }
    transfer.isFinished = true
    return true
  }

  /// Bytes received by a request that is done; nil while it is not.
  private func finish(_ request: UInt, _ transfer: Transfer) throws -> Int? {
    var (isDone, received) = (Int32(0), Int32(0))
    let code = watchdog.state.withLock { state in
      let code = mpi_shim_test(request, &isDone, &received)
      if isDone != 0 { state.arrivals += 1 }
      return code
    }
    if code != 0 {
      if mpi_shim_is_truncation(code) != 0 { try outOfStep(transfer, "a longer message") }
      try fail("MPI_Test of \(transfer.words)", code)
    }
    return isDone == 0 ? nil : Int(received)
  }

  private func checkSize(_ received: Int, _ transfer: Transfer) throws {
    let due = min(transfer.byteCount - transfer.finishedRequests * partLimit, partLimit)
    if received != due { try outOfStep(transfer, "\(received) bytes") }
  }

  private func outOfStep(_ transfer: Transfer, _ found: String) throws {
    watchdog.breakUp()
    throw Failure(
      .internalError, "ranks are out of step: rank \(rank) waits in \(transfer.words), but \(found) came instead")
  }

  /// Throws the library's words; MPI is of no further use.
  func fail(_ function: String, _ code: Int32) throws {
    watchdog.breakUp()
    try check(function, rank: rank, code)
  }

  /// Returns when all are done.
  public func wait(for transfers: [Transfer]) throws { try wait(for: transfers, in: nil) }

  /// The same as a part of an operation; without one, the words are those of the first transfer that is not done.
  func wait(for transfers: [Transfer], in call: (() -> String)?) throws {
    var done = 0
    try watchdog.wait(in: call?() ?? transfers[done].words) {
      while done < transfers.count, try isDone(transfers[done]) { done += 1 }
      return done == transfers.count
    }
  }

  /// Asks again and again until `isDone`, and lets MPI work in between.
  public func wait(in call: String, until isDone: () throws -> Bool) throws {
    try watchdog.wait(in: call) {
      if try isDone() { return true }
      try self.call("MPI_Iprobe") { mpi_shim_progress() }
      return false
    }
  }
}

extension Transfer {
  /// `receive of 8 bytes from rank 2, tag 3`.
  var words: String {
    "\(role) of \(byteCount) bytes \(role == .send ? "to" : "from") rank \(peer), tag \(tag)"
  }
}
