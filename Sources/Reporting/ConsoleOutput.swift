import Files
import Foundation
import Synchronization

/// Where messages and progress go: lines that stay, and on a terminal one status line below them that is rewritten.
///
/// Shared by the log and the progress line, so that a message never lands in the middle of the status line.
public final class ConsoleOutput: Sendable {
  /// Whether a status line can be rewritten.
  public let isTerminal: Bool
  /// Whether escape sequences for colour and weight may be written.
  public let usesColor: Bool
  private let columns: @Sendable () -> Int
  private let sink: @Sendable (String) -> Void
  /// What a line begins with where another process may have left a status line.
  private let lineStart: String
  private let status = Mutex("")

  /// An output with every property given: what tests use.
  ///
  /// - Parameters:
  ///   - sharesTerminal: whether the terminal is one on which another process rewrites its status line.
  ///   - columns: the width of the terminal, asked for at each redraw since windows change.
  ///   - sink: gets each piece of text, one call at a time.
  public init(
    isTerminal: Bool, usesColor: Bool = false, sharesTerminal: Bool = false,
    columns: @escaping @Sendable () -> Int = { 80 }, sink: @escaping @Sendable (String) -> Void
  ) {
    self.isTerminal = isTerminal
    self.usesColor = usesColor
    lineStart = sharesTerminal ? Self.eraseLine : ""
    self.columns = columns
    self.sink = sink
  }

  /// The standard error of this process: a terminal when it is one and `TERM` is not `dumb`; no colour when `NO_COLOR`
  /// is set to anything but nothing.
  ///
  /// Under mpirun it is a pipe; rank 0 may rewrite a line all the same where that leads to a terminal.
  public static func standardError(
    environment: [String: String] = ProcessInfo.processInfo.environment
  ) -> ConsoleOutput {
    let (isOwn, isDumb) = (isatty(STDERR_FILENO) == 1, environment["TERM"] == "dumb")
    let launcher = isOwn || isDumb ? nil : LauncherTerminal(environment: environment)
    let isTerminal = !isDumb && (isOwn || launcher?.mayRewrite == true)
    return ConsoleOutput(
      isTerminal: isTerminal, usesColor: isTerminal && (environment["NO_COLOR"] ?? "").isEmpty,
      sharesTerminal: launcher?.mayRewrite == false,
      columns: { launcher?.columns ?? LauncherTerminal.columns(of: STDERR_FILENO) }
    ) { text in
      // Nobody is left to be told when standard error itself cannot be written.
      try? Array(text.utf8).withUnsafeBytes {
        try Descriptor.write($0, to: STDERR_FILENO, path: "standard error")
      }
    }
  }

  /// The width that a line may have without wrapping.
  public var width: Int { max(1, columns() - 1) }

  /// Writes a line that stays; the newline is added.
  public func write(line: String) {
    status.withLock { status in
      sink(status.isEmpty ? lineStart + line + "\n" : Self.eraseLine + line + "\n" + status)
    }
  }

  /// Replaces the status line, or takes it away when the text is empty; does nothing where there is no terminal.
  public func setStatus(_ text: String) {
    guard isTerminal else { return }
    status.withLock { status in
      if status.isEmpty, text.isEmpty { return }
      sink(Self.eraseLine + text)
      status = text
    }
  }

  /// To the first column, then erase to the end of the line.
  private static let eraseLine = "\r\u{1B}[K"
}

/// Text made harmless for a terminal: no control characters, further lines indented so that they cannot pass for new
/// ones.
func printable(_ text: String, indentation: String) -> String {
  var result = ""
  for scalar in text.unicodeScalars {
    switch scalar.value {
    case 0x0A: result += "\n" + indentation
    case 0x09: result += "\t"
    case 0x0D: break
    case 0..<0x20, 0x7F...0x9F, 0x2028, 0x2029, 0x202A...0x202E, 0x2066...0x2069: result += "?"
    default: result.unicodeScalars.append(scalar)
    }
  }
  return result
}
