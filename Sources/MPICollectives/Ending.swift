import CMPIShims
import Collectives
import Diagnostics
import Foundation

extension MPICollectives {
  /// Ends MPI; nothing can be communicated afterwards.
  ///
  /// Collective: all ranks call this last. Throws if not all come. `hasFailed` tells that what was written just now is
  /// about an error, with which the processes will end.
  public func finalize(hasFailed: Bool = false) throws {
    if hasFailed { Self.letLauncherForward() }
    try barrier()
    watchdog.end()
    let exitGuard = ExitGuard(after: Watchdog.endingLimit, saying: "skiptune: MPI_Finalize does not return")
    defer { exitGuard.cancel() }
    try check("MPI_Finalize", rank: rank, mpi_shim_finalize())
  }

  /// Ends all processes of the run at once with an exit status; for failures that other ranks do not know of.
  ///
  /// This process ends in any case, also where the others cannot be reached.
  public func abort(status: ExitStatus) -> Never { watchdog.end(status: status) }

  /// Ends this process because of a failure, with its exit status, after `speak` has told the user.
  ///
  /// If all ranks come here, as they do after `agree`, rank 0 alone speaks and the run ends in good order. If some do not
  /// within `patience`, they know nothing of the failure and wait for this rank: it speaks for itself and ends them too.
  public func end(with failure: Failure, patience: Duration = .seconds(3), speak: (_ isShared: Bool) -> Void) -> Never {
    let isShared = !watchdog.state.withLock { $0.isBroken } && allMeetAtEnd(within: patience)
    if rank == 0 || !isShared { speak(isShared) }
    if !isShared {
      Self.letLauncherForward()
      abort(status: failure.status)
    }
    try? finalize(hasFailed: true)
    exit(failure.status.rawValue)
  }

  /// Waits a moment where the launcher is Open MPI 5's: once a process has ended with an error, it drops what it has not yet
  /// forwarded of the job's output.
  static func letLauncherForward() {
    guard ProcessInfo.processInfo.environment["PRTE_LAUNCHED"] != nil else { return }
    fflush(nil)
    usleep(300_000)
  }

  /// Whether all ranks come here within a time.
  private func allMeetAtEnd(within patience: Duration) -> Bool {
    let deadline = ContinuousClock.now + patience
    var request: UInt = 0
    guard watchdog.locked({ mpi_shim_start_last_barrier(&request) }) == 0 else { return false }
    var (isDone, received) = (Int32(0), Int32(0))
    while watchdog.locked({ mpi_shim_test(request, &isDone, &received) }) == 0 {
      if isDone != 0 || ContinuousClock.now >= deadline { return isDone != 0 }
      usleep(1000)
    }
    return false
  }
}

extension Watchdog {
  /// Time for what the library does at an end; it may try to reach ranks that are lost.
  static let endingLimit = Duration.seconds(10)

  /// Ends all processes of the run, and in any case this one.
  func end(status: ExitStatus) -> Never {
    end()
    _ = ExitGuard(after: Self.endingLimit, status: status, saying: nil)
    mpi_shim_abort(status.rawValue)
    _exit(status.rawValue)
  }
}
