import Diagnostics
import Foundation
import Synchronization

/// Ends this process when something that cannot be interrupted has not come back in time.
///
/// For calls of the library that have no non-blocking form, and for the way out of a run that is lost: neither a stopped
/// rank nor a cut link keeps this process alive.
final class ExitGuard: Sendable {
  private let isCancelled = Mutex(false)

  /// After `limit`, unless it is cancelled, writes a line to standard error and ends the process.
  init(after limit: Duration, status: ExitStatus = .internalError, saying line: String?) {
    let end = ContinuousClock.now + limit
    Thread.detachNewThread { [self] in
      while ContinuousClock.now < end {
        usleep(100_000)
        if isCancelled.withLock({ $0 }) { return }
      }
      if let line { FileHandle.standardError.write(Data("\(line)\n".utf8)) }
      _exit(status.rawValue)
    }
  }

  /// What was guarded has come back.
  func cancel() { isCancelled.withLock { $0 = true } }
}
