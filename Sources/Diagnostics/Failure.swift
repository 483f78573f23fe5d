/// Exit codes of every skiptune command, the same on all ranks (after BSD `sysexits.h`).
public enum ExitStatus: Int32, Sendable, Comparable {
  case success = 0
  /// The command line or the configuration is wrong.
  case usage = 64
  /// A file's content is wrong.
  case badData = 65
  /// A file or folder does not exist.
  case missingInput = 66
  /// A defect in skiptune.
  case internalError = 70
  /// An output cannot be created.
  case cannotCreate = 73
  /// Reading or writing failed part-way.
  case inputOutput = 74
  /// State is saved; start the same command again to go on.
  case requeue = 75

  /// Orders by number.
  public static func < (left: Self, right: Self) -> Bool { left.rawValue < right.rawValue }
}

/// An error meant for the user: one line that says what is wrong, where, which rule it breaks, and the way out.
///
/// Everything that comes from outside (files, options, other processes) fails with this type; a programmer's mistake
/// traps instead.
public struct Failure: Error, Equatable, Sendable, CustomStringConvertible {
  /// How the program ends.
  public var status: ExitStatus
  /// File, `file:line`, configuration key, tensor or image that is at fault.
  public var place: String?
  /// What is wrong and which rule it breaks.
  public var problem: String
  /// What the user can do about it.
  public var remedy: String?
  /// A failure with as much of the picture as there is.
  public init(_ status: ExitStatus, at place: String? = nil, _ problem: String, remedy: String? = nil) {
    self.status = status
    self.place = place
    self.problem = problem
    self.remedy = remedy
  }

  /// `place: problem; remedy`, on one line whatever the parts contain: control characters are escaped, so that names out
  /// of a hostile file do nothing to a terminal, and a problem that quotes very much of one is cut.
  public var description: String {
    let problem = problem.count > Self.longest ? "\(problem.prefix(Self.longest))…" : problem
    let line = [place.map { "\($0): " } ?? "", problem, remedy.map { "; \($0)" } ?? ""].joined()
      .split(whereSeparator: \.isNewline).joined(separator: " ")
    guard line.unicodeScalars.contains(where: Self.isControl) else { return line }
    return line.unicodeScalars.map { Self.isControl($0) ? $0.escaped(asASCII: true) : String($0) }.joined()
  }

  /// Characters of a problem that are shown.
  private static let longest = 1500

  private static func isControl(_ scalar: Unicode.Scalar) -> Bool { scalar.properties.generalCategory == .control }
}
