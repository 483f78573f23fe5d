import CMPIShims
import Collectives
import Diagnostics
import Foundation
import Synchronization

/// Lets one thread at a time into MPI, and sees to it that no wait is for ever.
///
/// A rank that has waited for the deadline asks the others where they are; `RollCall` judges what it hears. Ranks that
/// wait answer between two looks. For a rank that computes a thread answers that does nothing else, so that only a rank
/// that is stopped, dead or cut off is silent, and one that is merely slow is known to be.
final class Watchdog: Sendable {
  /// What the thread that communicates waits in.
  struct Wait {
    let call: String
    /// When it began, or was last seen to have moved on.
    var since: ContinuousClock.Instant
    /// The same, or when others were last given more time.
    var patientSince: ContinuousClock.Instant
    /// How often they were.
    var extensions = 0
    /// Messages that had been done then.
    var arrivals: Int
  }

  /// A roll call of this rank.
  struct Asking {
    var rollCall: RollCall
    let end: ContinuousClock.Instant
  }

  struct State {
    var deadline: Duration
    var activity: @Sendable () -> String = { "" }
    var reportPatience: @Sendable (String) -> Void = { _ in }
    var reportLoss: @Sendable (Failure) -> Void = { FileHandle.standardError.write(Data("\($0)\n".utf8)) }
    var hosts: [String] = []
    /// Collective operations that this rank has begun.
    var operations = 0
    /// Messages that were done.
    var arrivals = 0
    var wait: Wait?
    var asking: Asking?
    /// Questions and answers under way.
    var outgoing: [OutgoingReport] = []
    var isLost = false
    var isEnded = false
    var isBroken = false
  }

  /// How often ranks that are at work are given the deadline once more.
  static let extensionLimit = 10
  /// Looks before a wait is taken for one.
  private static let quickLooks = 200
  /// Time between two looks for questions and deadlines.
  private static let checkInterval = Duration.milliseconds(50)

  /// Time for the rank that speaks of a loss, before the others end.
  static let speakingTime = Duration.seconds(3)
  /// Time for the launcher to end a job that has lost a host.
  static let launcherLimit = Duration.seconds(15)

  let rank: Int
  let nodes: [Int]
  /// Ranks that are asked in a roll call.
  let expected: [Int]
  let state: Mutex<State>

  /// The watchdog of a rank; `nodes` are those of all ranks.
  init(rank: Int, nodes: [Int], deadline: Duration) {
    self.rank = rank
    self.nodes = nodes
    expected = RollCall.expected(by: rank, nodes: nodes)
    state = Mutex(State(deadline: deadline))
  }

  /// Starts the thread that answers for this rank; `hosts` are those of all ranks.
  func start(hosts: [String]) {
    state.withLock { $0.hosts = hosts }
    Thread.detachNewThread { [weak self] in
      repeat { usleep(250_000) } while self?.answerIfFree() ?? false
    }
  }

  /// Runs `body`, which calls MPI, while no other thread does.
  func locked<Result>(_ body: () -> Result) -> Result { state.withLock { _ in body() } }

  /// Counts a collective operation that this rank begins.
  func begin() { state.withLock { $0.operations += 1 } }

  /// From now on no other thread calls MPI.
  func end() { state.withLock { $0.isEnded = true } }

  /// MPI has failed: memory that it may still write to is given up as the failure is thrown, so nobody calls it again.
  func breakUp() {
    state.withLock { state in
      state.isEnded = true
      state.isBroken = true
    }
  }

  /// Looks until `look` says that all is done.
  ///
  /// `look` takes the lock itself. Ends the process if the run is lost.
  func wait(in call: @autoclosure () -> String, until look: () throws -> Bool) throws {
    for _ in 0..<Self.quickLooks where try look() { return }
    begin(Wait(call: call(), since: .now, patientSince: .now, arrivals: 0))
    defer { state.withLock { $0.wait = nil } }
    var pacing = Pacing()
    var nextCheck = ContinuousClock.now + Self.checkInterval
    while true {
      let began = ContinuousClock.now
      if try look() { return }
      let ended = ContinuousClock.now
      if ended >= nextCheck {
        check(at: ended)
        nextCheck = ended + Self.checkInterval
      }
      pacing.pause(began, ended)
    }
  }

  private func begin(_ wait: Wait) {
    state.withLock { state in
      state.wait = wait
      state.wait?.arrivals = state.arrivals
      state.asking = nil
    }
  }
}

extension Watchdog.State {
  /// If messages have been done, whatever was asked about the others is settled.
  mutating func noteArrivals(at time: ContinuousClock.Instant) {
    guard let wait, wait.arrivals != arrivals else { return }
    self.wait = Watchdog.Wait(call: wait.call, since: time, patientSince: time, arrivals: arrivals)
    asking = nil
  }
}
