import Diagnostics
import Files
import Foundation
import Logging
import Synchronization

/// The logger of swift-log, under a name that needs no import of its own.
public typealias Log = Logger
/// `trace`, `debug`, `info`, `notice`, `warning`, `error`, `critical`.
public typealias LogLevel = Logger.Level

/// Where log lines go: to the console, and to `run.log` once there is a run directory.
public final class LogDestination: Sendable {
  private struct File {
    var file: LineFile?
    var hasFailed = false
  }

  private let output: ConsoleOutput
  private let file = Mutex(File())
  private let clock: @Sendable () -> Date

  /// A destination without a file.
  ///
  /// - Parameter clock: the time of day of each line, for tests.
  public init(_ output: ConsoleOutput, clock: @escaping @Sendable () -> Date = { Date() }) {
    self.output = output
    self.clock = clock
  }

  /// From now on lines go to the file too, at its end.
  ///
  /// - Throws: `Failure(.cannotCreate)`.
  public func attach(_ url: URL) throws {
    let opened = try LineFile(appendingTo: url)
    file.withLock { $0 = File(file: opened) }
  }

  fileprivate func write(_ level: LogLevel, _ message: String, prefix: String) {
    let head = "\(Self.timeOfDay(clock())) \(level.rawValue) "
    let body = prefix + printable(message, indentation: "  ")
    file.withLock { file in
      output.write(line: colored(level, head) + body)
      guard let opened = file.file, !file.hasFailed else { return }
      do {
        try opened.append(head + body)
      } catch {
        // A full disk must not stop the run for a log line; said once, on the console.
        file.hasFailed = true
        output.write(line: "\(Self.timeOfDay(clock())) warning \(error); no more log lines go there")
      }
    }
  }

  private func colored(_ level: LogLevel, _ head: String) -> String {
    guard output.usesColor, level >= .warning else { return head }
    return "\u{1B}[\(level == .warning ? 33 : 31)m\(head)\u{1B}[0m"
  }

  /// `HH:MM:SS` in the time zone of the machine.
  private static func timeOfDay(_ date: Date) -> String {
    var seconds = time_t(date.timeIntervalSince1970.rounded(.down))
    var parts = tm()
    localtime_r(&seconds, &parts)
    return [parts.tm_hour, parts.tm_min, parts.tm_sec].map { $0 < 10 ? "0\($0)" : "\($0)" }.joined(separator: ":")
  }
}

/// A swift-log handler that writes `HH:MM:SS level message` lines.
///
/// Rank 0 speaks; any other rank speaks on errors only, and says its rank.
public struct ConsoleLog: LogHandler {
  /// Lines below it are dropped.
  public var logLevel: Logger.Level
  /// Added to each line as `name=value`.
  public var metadata: Logger.Metadata = [:]
  /// Called for further metadata with each line.
  public var metadataProvider: Logger.MetadataProvider?
  private let destination: LogDestination
  private let rank: Int
  private let prefix: String

  /// A handler for one rank.
  ///
  /// - Parameter showsRank: whether rank 0 says its rank too.
  public init(_ destination: LogDestination, level: LogLevel = .info, rank: Int = 0, showsRank: Bool = false) {
    self.destination = destination
    self.rank = rank
    logLevel = level
    prefix = rank != 0 || showsRank ? "[rank \(rank)] " : ""
  }

  /// Makes every logger of this process write to `destination`; traps when called twice.
  public static func bootstrap(
    _ destination: LogDestination, level: LogLevel = .info, rank: Int = 0, showsRank: Bool = false
  ) {
    LoggingSystem.bootstrap { _ in ConsoleLog(destination, level: level, rank: rank, showsRank: showsRank) }
  }

  /// A logger with this handler, without `bootstrap`.
  public func logger(_ label: String = "skiptune") -> Log { Logger(label: label) { _ in self } }

  /// The level that `--log-level` names.
  ///
  /// - Throws: `Failure(.usage)`.
  public static func level(named name: String) throws -> LogLevel {
    if let level = LogLevel(rawValue: name.lowercased()) { return level }
    let names = LogLevel.allCases.map(\.rawValue)
    let remedy = nearestMatch(to: name, among: names).map { "did you mean \($0)?" }
    throw Failure(
      .usage, at: "--log-level", "\(name) is not a level: it must be one of \(names.joined(separator: ", "))",
      remedy: remedy ?? "use info")
  }

  /// Writes a line, when this rank may speak at that level.
  public func log(event: LogEvent) {
    guard rank == 0 || event.level >= .error else { return }
    var fields = metadata.merging(metadataProvider?.get() ?? [:]) { $1 }
    fields.merge(event.metadata ?? [:]) { $1 }
    if let error = event.error { fields["error"] = "\(error)" }
    let words = fields.sorted { $0.key < $1.key }.map { " \($0.key)=\($0.value)" }.joined()
    destination.write(event.level, event.message.description + words, prefix: prefix)
  }

  /// A field of `metadata`.
  public subscript(metadataKey key: String) -> Logger.Metadata.Value? {
    get { metadata[key] }
    set { metadata[key] = newValue }
  }
}
