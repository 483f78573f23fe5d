import Diagnostics

/// A prompt with one `{}` where the class name goes, such as "a photo of a {}".
public struct PromptTemplate: Sendable, Equatable, CustomStringConvertible {
  /// The prompt for a data set that has no published one.
  public static let fallback = PromptTemplate(before: "a photo of a ", after: ".")

  private let before: String
  private let after: String

  private init(before: String, after: String) {
    self.before = before
    self.after = after
  }

  /// Judges `text`: throws `Failure(.usage)` unless it holds `{}` exactly once.
  public init(_ text: String) throws {
    guard let marker = text.firstRange(of: "{}"), text[marker.upperBound...].firstRange(of: "{}") == nil else {
      throw Failure(
        .usage, "the prompt template \"\(text)\" must hold {} exactly once, where the class name goes",
        remedy: "write for example \"\(Self.fallback)\"")
    }
    before = String(text[..<marker.lowerBound])
    after = String(text[marker.upperBound...])
  }

  /// The template as it was written.
  public var description: String { "\(before){}\(after)" }

  /// The prompt that describes one class.
  public func prompt(for className: String) -> String { before + Self.promptName(className) + after }

  /// A class name as a prompt shows it: underscores become spaces.
  public static func promptName(_ className: String) -> String {
    className.replacing("_", with: " ")
  }

  /// A class name as the model sees it, which tells neither letter case nor spacing: names that are equal here cannot be
  /// told apart by any prompt.
  public static func comparableName(_ className: String) -> String {
    promptName(className).lowercased().split(whereSeparator: \.isWhitespace).joined(separator: " ")
  }
}
