import Foundation

/// A process, told apart from every other one that has its number, on this host or another.
struct ProcessIdentity: Codable, Equatable, Sendable {
  var host: String
  var process: Int32
  /// Clock ticks from the start of the host to that of the process.
  var started: Int
  /// Start of the host, and name space of process numbers.
  ///
  /// To all with the same one a number means the same process. Empty where the system does not tell.
  var space: String

  /// This process.
  static let own = ProcessIdentity(
    host: ProcessInfo.processInfo.hostName, process: getpid(), started: status(of: getpid())?.started ?? 0,
    space: ownSpace)

  private static var ownSpace: String {
    guard let boot = try? String(contentsOfFile: "/proc/sys/kernel/random/boot_id", encoding: .utf8),
      let names = try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/ns/pid")
    else { return "" }
    return "\(boot.trimmingCharacters(in: .whitespacesAndNewlines)) \(names)"
  }

  /// Whether the process still runs; nil where that cannot be seen from here.
  var isRunning: Bool? {
    guard !space.isEmpty, space == Self.own.space else { return nil }
    guard let now = Self.status(of: process) else { return false }
    // One that has ended and that nobody has asked for is there, but holds and does nothing.
    return now.started == started && !"ZX".contains(now.state)
  }

  /// State and start of the process that has a number, from the third and the 22nd field of its line.
  private static func status(of process: Int32) -> (state: Character, started: Int)? {
    guard let line = try? String(contentsOfFile: "/proc/\(process)/stat", encoding: .utf8),
      // The second field is the program's name in brackets, with any characters.
      let end = line.lastIndex(of: ")")
    else { return nil }
    let fields = line[line.index(after: end)...].split(separator: " ")
    guard fields.count > 19, let state = fields[0].first, let started = Int(fields[19]) else { return nil }
    return (state, started)
  }

  /// `node7:4711`.
  var words: String { "\(host):\(process)" }

  /// The same for the name of a file.
  var fileName: String {
    let host = host.map { $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "-" || $0 == ".") ? $0 : "_" }
    return "\(String(host.prefix(64)))-\(process)-\(started)"
  }
}
