import Diagnostics
import Synchronization

#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// The request to stop in good order that a scheduler, or Ctrl-C, makes by a signal.
///
/// A handler may do next to nothing, so it raises a flag. Training looks at it at every step, extraction and tests at every
/// batch of images; all ranks then agree, save their state, and end with status 75.
public enum StopSignal {
  private static let isRaised = Atomic<Bool>(false)

  /// From now on SIGTERM, SIGINT, SIGUSR1 and SIGUSR2 raise the flag; a second SIGINT ends the process at once.
  public static func watch() {
    isRaised.store(false, ordering: .relaxed)  // Made before a handler can run: making it is not safe there.
    for number in [SIGTERM, SIGUSR1, SIGUSR2] {
      signal(number) { _ in StopSignal.isRaised.store(true, ordering: .relaxed) }
    }
    signal(SIGINT) { number in
      StopSignal.isRaised.store(true, ordering: .relaxed)
      signal(number, SIG_DFL)
    }
  }

  /// Whether this process was asked to stop; other ranks may know nothing of it.
  package static var isRequested: Bool { isRaised.load(ordering: .relaxed) }

  /// Throws the failure that ends a run in good order if this process was asked to stop.
  static func check() throws {
    if isRequested { throw failure }
  }

  /// Raises the flag as a signal would, where another process of the job has got one.
  package static func request() { set(true) }

  /// What a stopped run ends with.
  package static var failure: Failure {
    Failure(.requeue, "stopped by a signal", remedy: "start it again with --resume auto, the default, to go on")
  }

  /// Raises or lowers the flag as a signal would, for tests.
  static func set(_ isRequested: Bool) { isRaised.store(isRequested, ordering: .relaxed) }
}
