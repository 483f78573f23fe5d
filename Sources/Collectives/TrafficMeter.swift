import Synchronization

/// What was communicated, in bytes, by one rank: collective operations and, counted apart, messages.
public struct Traffic: Equatable, Sendable {
  /// Calls of any collective operation.
  public var calls = 0
  /// Size of what the operations completed on this rank.
  ///
  /// That is the buffer of a reduction or broadcast and the whole result of an all-gather: the same on all ranks, whatever
  /// the network does.
  public var payloadBytes = 0
  /// What a rank sends on average if each operation is a ring of n ranks, the least that is possible for long buffers.
  ///
  /// 2(n-1)/n of the payload of a reduction, (n-1)/n of a broadcast or all-gather; zero in a world of one.
  public var wireBytes = 0.0
  /// Messages this rank has sent.
  public var messages = 0
  /// Bytes of its messages to other ranks.
  public var sentBytes = 0
  /// Bytes of its messages to ranks of other nodes, a part of `sentBytes`.
  public var interNodeBytes = 0

  /// What leaves the host: messages to other nodes, and what operations would send at least.
  public var bytesBetweenNodes: Double { wireBytes + Double(interNodeBytes) }

  /// Nothing yet.
  public init() {}

  /// Adds another count to this one.
  public static func += (left: inout Self, right: Self) {
    left.calls += right.calls
    left.payloadBytes += right.payloadBytes
    left.wireBytes += right.wireBytes
    left.messages += right.messages
    left.sentBytes += right.sentBytes
    left.interNodeBytes += right.interNodeBytes
  }
}

/// Counts what one rank communicates, by named phase of the program.
///
/// `MeteredCollectives` fills it. Calls outside of any phase count as phase `other`. Phases belong to the rank, not to a
/// thread: enter and leave them on the thread that communicates.
public final class TrafficMeter: Sendable {
  /// Phase of calls that are made outside of `phase`.
  public static let defaultPhase = "other"

  private struct State {
    var place = ""
    var openPhases: [String] = []
    var traffic: [String: Traffic] = [:]
    var time: [String: Duration] = [:]
    /// When the innermost phase began, or went on after one inside it.
    var since = ContinuousClock.now

    /// Gives the innermost phase the time that has passed.
    mutating func takeTime() {
      let now = ContinuousClock.now
      if let phase = openPhases.last { time[phase, default: .zero] += since.duration(to: now) }
      since = now
    }
  }

  private let state = Mutex(State())

  /// A meter that has counted nothing.
  public init() {}

  /// Counts what `body` communicates under `name`, and its time; of nested phases only the innermost counts.
  public func phase<Result>(_ name: String, _ body: () throws -> Result) rethrows -> Result {
    state.withLock {
      $0.takeTime()
      $0.openPhases.append(name)
    }
    defer {
      state.withLock {
        $0.takeTime()
        $0.openPhases.removeLast()
      }
    }
    return try body()
  }

  /// Where the program is, in words such as `step 12`; told with the phase where ranks lose each other.
  public var place: String {
    get { state.withLock { $0.place } }
    set { state.withLock { $0.place = newValue } }
  }

  /// Place and innermost phase: `step 12, gradients`.
  public var activity: String {
    state.withLock { state in
      [state.place, state.openPhases.last ?? ""].filter { !$0.isEmpty }.joined(separator: ", ")
    }
  }

  /// Traffic so far by phase.
  public var phases: [String: Traffic] { state.withLock { $0.traffic } }

  /// Time so far inside each phase that has ended, in seconds: communicating, waiting, adding up and updating.
  public var seconds: [String: Double] { state.withLock { $0.time.mapValues { $0 / .seconds(1) } } }

  /// Traffic so far of all phases together.
  public var total: Traffic { phases.values.reduce(into: Traffic()) { $0 += $1 } }

  func record(_ traffic: Traffic) {
    state.withLock { $0.traffic[$0.openPhases.last ?? Self.defaultPhase, default: Traffic()] += traffic }
  }
}
