import Foundation
import Synchronization
import Training

/// A thread that shows that a group is alive while the group computes, and hears whether another one was asked to stop.
final class GroupPulse: Sendable {
  /// Between two looks for a request to stop.
  private static let look: UInt32 = 250_000
  private let isEnded = Atomic<Bool>(false)

  /// Begins to beat, six times in a lease; `onLook` is called at each look, on the thread.
  init(_ heartbeats: Heartbeats, holder: String, job: String, lease: Double, onLook: @escaping @Sendable () -> Void) {
    heartbeats.beat(0, of: holder)
    let thread = Thread { [weak self] in
      var (next, number) = (ContinuousClock.now + .seconds(lease / 6), 0)
      while let isEnded = self?.isEnded.load(ordering: .relaxed), !isEnded {
        if ContinuousClock.now >= next {
          number += 1
          heartbeats.beat(number, of: holder)
          next = .now + .seconds(lease / 6)
        }
        if heartbeats.isStopRequested(of: job) { StopSignal.request() }
        onLook()
        usleep(Self.look)
      }
    }
    // Files are written and tables are made on it.
    thread.stackSize = 8 << 20
    thread.start()
  }

  /// Ends the beats.
  func end() { isEnded.store(true, ordering: .relaxed) }

  deinit { end() }
}
