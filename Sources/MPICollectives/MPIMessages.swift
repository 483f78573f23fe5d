import CMPIShims
import Collectives
import Diagnostics
import Foundation

extension MPICollectives {
  /// Starts to send; a message beyond the library's counts goes in parts.
  public func send(_ bytes: UnsafeRawBufferPointer, to rank: Int, tag: Int) throws -> Transfer {
    checkAddress(rank, tag: tag)
    let transfer = Transfer(.send, peer: rank, tag: tag, byteCount: bytes.count)
    for part in messageParts(bytes.count) {
      var request: UInt = 0
      let start = bytes.baseAddress.map { $0 + part.lowerBound }
      let code = mpi_shim_send(start, Int32(part.count), Int32(rank), Int32(tag), &request)
      try check("MPI_Isend", rank: self.rank, code)
      transfer.requests.append(request)
    }
    return transfer
  }

  /// Starts to receive a message of exactly this many bytes.
  public func receive(into bytes: UnsafeMutableRawBufferPointer, from rank: Int, tag: Int) throws -> Transfer {
    checkAddress(rank, tag: tag)
    let transfer = Transfer(.receive, peer: rank, tag: tag, byteCount: bytes.count)
    for part in messageParts(bytes.count) {
      var request: UInt = 0
      let start = bytes.baseAddress.map { $0 + part.lowerBound }
      let code = mpi_shim_receive(start, Int32(part.count), Int32(rank), Int32(tag), &request)
      try check("MPI_Irecv", rank: self.rank, code)
      transfer.requests.append(request)
    }
    return transfer
  }

  /// Parts of a message: at least one, as an empty message is one, too.
  private func messageParts(_ byteCount: Int) -> [Range<Int>] {
    byteCount == 0 ? [0..<0] : Array(parts(of: 0..<byteCount, limit: maximumCount))
  }

  /// Lets MPI work and tells whether the transfer is done.
  public func isDone(_ transfer: Transfer) throws -> Bool {
    // Parts arrive in order: the first that is not there yet decides.
    while transfer.finishedRequests < transfer.requests.count {
      var (isDone, received) = (Int32(0), Int32(0))
      let code = mpi_shim_test(transfer.requests[transfer.finishedRequests], &isDone, &received)
      try check(transfer.role == .send ? "MPI_Isend" : "MPI_Irecv", rank: rank, code)
      guard isDone != 0 else { return false }
      if transfer.role == .receive { try checkSize(Int(received), transfer) }
      transfer.finishedRequests += 1
    }
    transfer.isFinished = true
    return true
  }

  /// A longer message is an error of the library itself.
  private func checkSize(_ received: Int, _ transfer: Transfer) throws {
    let rest = transfer.byteCount - transfer.finishedRequests * maximumCount
    guard received == min(rest, maximumCount) else {
      throw Failure(
        .internalError,
        "ranks are out of step: rank \(rank) calls \(transfer.call), but \(received) bytes came where "
          + "\(min(rest, maximumCount)) were due")
    }
  }

  /// Returns when all are done.
  public func wait(for transfers: [Transfer]) throws {
    for transfer in transfers {
      while !(try isDone(transfer)) { sched_yield() }
    }
  }
}
