import CMPIShims
import Diagnostics

/// Throws unless an MPI function succeeded: which function, the code, the library's words, and the rank where it is known.
///
/// Every return code of MPI goes through here.
func check(_ function: String, rank: Int? = nil, _ code: Int32) throws {
  guard code != 0 else { return }
  let words = text(capacity: 512) { mpi_shim_error_text(code, $0, $1) }
  let place = rank.map { "\(function) on rank \($0)" } ?? function
  throw Failure(
    .inputOutput, at: place, "\(words) (code \(code))",
    remedy: "look for a rank or host that was lost, then start again")
}

/// What a C function writes into a buffer of `capacity` bytes with a closing zero.
func text(capacity: Int, _ write: (UnsafeMutablePointer<CChar>, Int) throws -> Void) rethrows -> String {
  try withUnsafeTemporaryAllocation(of: CChar.self, capacity: capacity) { buffer in
    buffer.initialize(repeating: 0)
    try write(buffer.baseAddress!, capacity)
    return String(cString: buffer.baseAddress!)
  }
}
