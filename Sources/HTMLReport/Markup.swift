/// A piece of a page.
///
/// What is put into its literals is escaped, unless it is markup itself.
/// The text is well-formed XML and HTML at once: elements are closed, attributes quoted.
public struct Markup: ExpressibleByStringInterpolation, Sendable {
  /// The characters of the page.
  public private(set) var text: String

  /// Markup as it stands in the program.
  public init(stringLiteral value: String) { text = value }

  /// Markup with values put in.
  public init(stringInterpolation: StringInterpolation) { text = stringInterpolation.text }

  /// Nothing.
  static let empty: Markup = ""

  /// All pieces, one after the other.
  init(_ pieces: [Markup]) { text = pieces.map(\.text).joined() }

  /// Text that the program itself wrote as markup: a style sheet or a script.
  init(trusted: String) { text = trusted }

  /// Collects literals as they are, and values escaped.
  public struct StringInterpolation: StringInterpolationProtocol {
    fileprivate var text = ""

    /// An empty piece.
    public init(literalCapacity: Int, interpolationCount: Int) { text.reserveCapacity(2 * literalCapacity) }

    /// Appends markup of the program.
    public mutating func appendLiteral(_ literal: String) { text += literal }

    /// Appends a text from outside, escaped.
    public mutating func appendInterpolation(_ value: String) { text += Markup.escaped(value) }

    /// Appends a number.
    public mutating func appendInterpolation(_ value: Int) { text += "\(value)" }

    /// Appends a coordinate with two decimals.
    public mutating func appendInterpolation(_ value: Double) {
      text += value.isFinite ? "\((value * 100).rounded() / 100)" : "0"
    }

    /// Appends markup.
    public mutating func appendInterpolation(_ value: Markup) { text += value.text }

    /// Appends markup, one piece after the other.
    public mutating func appendInterpolation(_ values: [Markup]) { values.forEach { text += $0.text } }
  }

  /// `text` as content or as the value of an attribute; characters that a page may not hold become U+FFFD.
  static func escaped(_ text: String) -> String {
    var result = ""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "&": result += "&amp;"
      case "<": result += "&lt;"
      case ">": result += "&gt;"
      case "\"": result += "&quot;"
      case "'": result += "&#39;"
      case "\t", "\n", "\r": result += " "
      case "\0"..<" ", "\u{7F}"..."\u{9F}", "\u{FFFE}", "\u{FFFF}": result += "\u{FFFD}"
      default: result.unicodeScalars.append(scalar)
      }
    }
    return result
  }
}
