import Diagnostics
import Files
import Foundation
import Synchronization

/// What one rank did when: spans in the Chrome trace-event format, which Perfetto and chrome://tracing show.
///
/// Usable from any thread. Memory is bounded: events go to a file of this rank as soon as some tens of kilobytes are
/// together; before `open`, and where the file would become too long, events are dropped and counted. Each line is whole,
/// so that a viewer reads even what a killed run left. Trouble with the disk ends the trace, not the run; `close` tells.
public final class TraceLog: Sendable {
  /// A span that has begun.
  public struct Span: Sendable {
    fileprivate let name: String
    fileprivate let category: TraceCategory
    fileprivate let track: TraceTrack
    fileprivate let start: TraceTime
  }

  private struct State {
    var buffer: [UInt8] = []
    var file: LineFile?
    var written = 0
    var dropped = 0
    var trouble: Failure?
    /// End of the last event of each line that has been used.
    var laneEnds: [TraceTrack: [TraceTime]] = [:]
  }

  /// Bytes that are collected before they go to the file, and that wait in memory where there is none yet.
  private static let bufferSize = 64 << 10, waitingSize = 1 << 20
  /// Bytes of a rank's file; viewers fail with much more.
  public static let largestFile = 256 << 20

  /// When the trace began: no event is earlier.
  public let created = TraceTime.now
  private let rank: Int
  private let largest: Int
  private let state = Mutex(State())

  /// A trace of rank `rank` that has no file yet.
  public convenience init(rank: Int) { self.init(rank: rank, largest: Self.largestFile) }

  init(rank: Int, largest: Int) {
    self.rank = rank
    self.largest = largest
  }

  // MARK: Events

  /// Does `body` as a span.
  @discardableResult
  public func span<Result>(
    _ name: String, _ category: TraceCategory, on track: TraceTrack = .training, _ arguments: MetricRecord = [:],
    _ body: () throws -> Result
  ) rethrows -> Result {
    let span = begin(name, category, on: track)
    defer { end(span, arguments) }
    return try body()
  }

  /// Begins a span; it is recorded when it ends.
  public func begin(_ name: String, _ category: TraceCategory, on track: TraceTrack = .training) -> Span {
    Span(name: name, category: category, track: track, start: .now)
  }

  /// Ends a span, with what is known of it by then.
  public func end(_ span: Span, _ arguments: MetricRecord = [:]) {
    record(span.name, span.category, on: span.track, lane: 0, start: span.start, end: .now, arguments)
  }

  /// Records something that went on beside other things, such as an exchange: those that overlap get lines of their own.
  public func complete(
    _ name: String, _ category: TraceCategory, on track: TraceTrack, start: TraceTime, end: TraceTime,
    _ arguments: MetricRecord = [:]
  ) {
    let lane = state.withLock { Self.freeLane(&$0.laneEnds[track, default: []], start: start, end: end) }
    record(name, category, on: track, lane: lane, start: start, end: end, arguments)
  }

  /// The first line on which nothing reaches beyond `start`; nil where all are taken.
  private static func freeLane(_ ends: inout [TraceTime], start: TraceTime, end: TraceTime) -> Int? {
    if let lane = ends.firstIndex(where: { $0 <= start }) {
      ends[lane] = end
      return lane
    }
    guard ends.count < TraceTrack.lanes else { return nil }
    ends.append(end)
    return ends.count - 1
  }

  private func record(
    _ name: String, _ category: TraceCategory, on track: TraceTrack, lane: Int?, start: TraceTime, end: TraceTime,
    _ arguments: MetricRecord
  ) {
    guard let lane else { return state.withLock { $0.dropped += 1 } }
    let fields: MetricRecord = [
      "ph": "X", "pid": .integer(rank), "tid": .integer(track.threadID(lane: lane)), "name": .text(name),
      "cat": .text(category.rawValue), "args": .object(arguments),
    ]
    let duration = Self.microseconds(max(0, end.nanoseconds - start.nanoseconds))
    // The time stands first, where merging finds it.
    append(
      "\(TraceLine.timeKey)\(Self.microseconds(start.nanoseconds)), \"dur\": \(duration), \(fields.json.dropFirst())")
  }

  /// Exact to the nanosecond, which a Double is not after some weeks of a host's life.
  static func microseconds(_ nanoseconds: Int64) -> String {
    let (whole, rest) = nanoseconds.magnitude.quotientAndRemainder(dividingBy: 1000)
    let digits = String(rest)
    return (nanoseconds < 0 ? "-" : "") + "\(whole)." + String(repeating: "0", count: 3 - digits.count) + digits
  }

  // MARK: The file

  /// Names the rank and its lines in the file, then writes what waits, and from now on everything.
  ///
  /// Throws `Failure` where there is a file of that name already or it cannot be created.
  public func open(_ file: URL, title: String) throws {
    try Descriptor.creating(file.path, knownAs: file.path).close()
    let lines = try LineFile(appendingTo: file)
    try lines.append("[")
    for line in TraceLine.names(rank: rank, title: title) { try lines.append(line + ",") }
    state.withLock { $0.file = lines }
    flush()
  }

  /// Writes what is collected; from then on everything is dropped.
  ///
  /// Returns how many events were dropped until then. Throws what went wrong while they were written.
  public func close() throws -> Int {
    flush()
    return try state.withLock { state in
      state.file = nil
      state.buffer = []
      state.written = largest
      if let trouble = state.trouble { throw trouble }
      return state.dropped
    }
  }

  private func append(_ line: String) {
    state.withLock { state in
      let limit = state.file == nil ? Self.waitingSize : largest - state.written
      guard state.trouble == nil, state.buffer.count + line.utf8.count + 2 <= limit else {
        state.dropped += 1
        return
      }
      state.buffer += line.utf8
      state.buffer += ",\n".utf8
      if state.buffer.count >= Self.bufferSize { Self.write(&state) }
    }
  }

  private func flush() { state.withLock { Self.write(&$0) } }

  private static func write(_ state: inout State) {
    guard let file = state.file, !state.buffer.isEmpty else { return }
    do {
      // The last newline is the file's.
      try file.append(String(decoding: state.buffer.dropLast(), as: UTF8.self))
      state.written += state.buffer.count
    } catch {
      state.trouble = error as? Failure ?? Failure(.inputOutput, "\(error)")
    }
    state.buffer.removeAll(keepingCapacity: true)
  }
}

// MARK: - Where nothing is traced

extension Optional<TraceLog> {
  /// Does `body`, as a span where there is a trace; name and arguments are made only then.
  @discardableResult
  public func span<Result>(
    _ name: @autoclosure () -> String, _ category: TraceCategory, on track: TraceTrack = .training,
    _ arguments: @autoclosure () -> MetricRecord = [:], _ body: () throws -> Result
  ) rethrows -> Result {
    guard let self else { return try body() }
    return try self.span(name(), category, on: track, arguments(), body)
  }
}
