import Foundation

/// How a rank that waits spends its time between two looks.
///
/// MPI works only while it is called, so a rank that waits for data to flow must keep looking; but where ranks share
/// processors, one that only waits takes time from those that compute. So: look at once as long as something happens,
/// let others run when nothing has for a moment, and sleep for a small part of the time that was waited already, so that
/// an answer is never seen late by much.
struct Pacing {
  /// Looks before the first pause.
  private static let spins = 100
  /// A look that takes longer has moved data.
  private static let workThreshold = Duration.microseconds(3)
  /// Quiet time after which to sleep.
  private static let quietLimit = Duration.milliseconds(1)
  private static let longestSleep = Duration.microseconds(500)

  private var looks = 0
  private var lastWork = ContinuousClock.now

  /// To be called after each look in vain, with the times at which it began and ended.
  mutating func pause(_ began: ContinuousClock.Instant, _ ended: ContinuousClock.Instant) {
    looks += 1
    if began.duration(to: ended) > Self.workThreshold { lastWork = ended }
    guard looks > Self.spins else { return }
    let quiet = lastWork.duration(to: ended)
    if quiet < Self.quietLimit {
      sched_yield()
    } else {
      usleep(UInt32(min(quiet / 16, Self.longestSleep) / .microseconds(1)))
    }
  }
}
