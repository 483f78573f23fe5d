import Diagnostics

#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// Waiting that leaves the CPU to others, and that has an end.
struct Patience {
  private let deadline: Duration
  private let start = ContinuousClock.now
  private var pauses = 0

  /// Pauses of a wait that ends after `deadline`.
  init(_ deadline: Duration) { self.deadline = deadline }

  /// A pause: short at first, as what is waited for is mostly near; ranks may share a core, so never a spin.
  ///
  /// Throws what `failure` makes once the deadline is over.
  mutating func pause(_ failure: () -> Failure) throws {
    pauses += 1
    if pauses < 200 {
      sched_yield()
    } else {
      if start.duration(to: .now) > deadline { throw failure() }
      usleep(100)
    }
  }
}
