import Diagnostics
import Files
import Foundation

/// Signs of life of those who hold trials, for hosts that cannot see their processes.
///
/// A heartbeat is a file with a number that grows. No clocks are compared: who watches counts by its own clock how long it has
/// seen the same number.
struct Heartbeats: Sendable {
  private static let largest = 64
  private let url: URL

  /// The folder `heartbeats` of a sweep, which is made where it is not there.
  init(in sweep: URL) throws {
    url = sweep.appending(path: "heartbeats")
    try SharedFolder.create(url)
  }

  /// The same for reading alone.
  init(reading sweep: URL) { url = sweep.appending(path: "heartbeats") }

  /// Shows that `holder` is alive; does nothing where the disk does not take it.
  func beat(_ number: Int, of holder: String) {
    // A beat that is lost is followed by others; a disk that takes none ends the lease, which is right.
    try? AtomicFile.write(Data("\(number)\n".utf8), to: file(holder))
  }

  /// The number that `holder` has shown; nil for none.
  func number(of holder: String) -> Int? {
    guard let bytes = try? SmallFile.bytes(of: file(holder), limit: Self.largest) else { return nil }
    return Int(String(decoding: bytes, as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines))
  }

  /// Seconds since the number was shown, by the clocks of two hosts; nil for none.
  func age(of holder: String) -> Double? {
    let attributes = try? FileManager.default.attributesOfItem(atPath: file(holder).path)
    return (attributes?[.modificationDate] as? Date).map { -$0.timeIntervalSinceNow }
  }

  /// Asks all ranks of a job to stop, by a file that each of its groups looks for.
  func requestStop(of job: String) { try? AtomicFile.write(Data(), to: stopFile(job)) }

  /// Whether somebody of a job was asked to stop.
  func isStopRequested(of job: String) -> Bool { FileManager.default.fileExists(atPath: stopFile(job).path) }

  private func file(_ holder: String) -> URL { url.appending(path: holder) }
  private func stopFile(_ job: String) -> URL { url.appending(path: "\(job).stop") }
}

/// What one process has seen of the heartbeats of others.
struct LivenessWatch {
  /// What is known of a holder.
  enum Verdict: Equatable {
    case alive
    /// It has shown no life for as long as its lease.
    case dead
    /// Not watched for long enough.
    case unknown
  }

  private struct Sighting {
    var number: Int?
    var since: Duration
    /// Whether the number has changed since this process watches.
    var hasMoved = false
  }

  private let number: (String) -> Int?
  private let now: () -> Duration
  private var seen: [String: Sighting] = [:]

  /// Watches numbers that `number` reads; `now` never goes back.
  init(now: @escaping () -> Duration, number: @escaping (String) -> Int?) { (self.number, self.now) = (number, now) }

  /// Looks at the holder of a claim.
  mutating func look(at claim: TrialClaim) -> Verdict {
    if let isRunning = claim.process.isRunning { return isRunning ? .alive : .dead }
    return look(at: claim.holder, lease: .seconds(claim.lease))
  }

  /// Looks at whoever wrote a claim that cannot be read, known by any name that is its alone.
  mutating func look(at holder: String, lease: Duration) -> Verdict {
    let (current, time) = (number(holder), now())
    guard let former = seen[holder] else {
      seen[holder] = Sighting(number: current, since: time)
      return .unknown
    }
    if former.number != current { seen[holder] = Sighting(number: current, since: time, hasMoved: true) }
    if time - seen[holder]!.since >= lease { return .dead }
    return seen[holder]!.hasMoved ? .alive : .unknown
  }
}
