import Diagnostics

/// Something that is wrong, and the remedy.
public struct Finding: Codable, Sendable, Hashable {
  /// How bad it is.
  public enum Severity: String, Codable, Sendable {
    /// A training would not run, or not end well.
    case error
    /// It would run, but slower than it could, or at a risk.
    case warning
  }

  /// How bad it is.
  public var severity: Severity
  /// The exit status of an error.
  public var status: Int32?
  /// Host, folder or setting.
  public var place: String?
  /// What is wrong.
  public var problem: String
  /// What to do.
  public var remedy: String?

  static func warning(_ place: String?, _ problem: String, _ remedy: String) -> Finding {
    Finding(severity: .warning, place: place, problem: problem, remedy: remedy)
  }

  /// What a training would end with.
  public static func error(_ failure: Failure) -> Finding {
    Finding(
      severity: .error, status: failure.status.rawValue, place: failure.place, problem: failure.problem,
      remedy: failure.remedy)
  }

  /// One line: `warning: place: problem; remedy`.
  public var line: String {
    "\(severity.rawValue): \(Failure(.usage, at: place, problem, remedy: remedy).description)"
  }
}
