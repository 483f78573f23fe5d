#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// What a span of a trace is about; viewers colour and filter by it.
public enum TraceCategory: String, Sendable, CaseIterable {
  /// Setting up, and whole steps.
  case run
  /// Features at the start layer.
  case features
  /// Forward and backward passes.
  case compute
  /// Messages between ranks, and waiting for them.
  case exchange
  /// The optimiser's pass.
  case update
  /// Snapshots and writing of state.
  case checkpoint
  /// Accuracy.
  case test
}

/// A line of a rank in a trace.
public enum TraceTrack: Int, Sendable, CaseIterable {
  /// The thread that trains.
  case training
  /// Exchanges that go on beside it; those that overlap get further lines.
  case exchange
  /// The thread that writes checkpoints.
  case checkpoint

  /// Most lines of a track.
  static let lanes = 64

  /// The number of a line, as the trace's format wants it.
  func threadID(lane: Int) -> Int { rawValue * Self.lanes + lane }

  func title(lane: Int) -> String { lane == 0 ? "\(self)" : "\(self) \(lane + 1)" }
}

/// A moment of this process's clock, in nanoseconds; clocks of hosts have nothing to do with each other.
public struct TraceTime: Sendable, Comparable, Hashable {
  /// Since this host was started, or some other fixed moment.
  public var nanoseconds: Int64

  /// That moment.
  public init(nanoseconds: Int64) { self.nanoseconds = nanoseconds }

  /// This moment.
  public static var now: TraceTime {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return TraceTime(nanoseconds: Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec))
  }

  /// The earlier of the two comes first.
  public static func < (left: Self, right: Self) -> Bool { left.nanoseconds < right.nanoseconds }
}
