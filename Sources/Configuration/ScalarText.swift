/// A YAML scalar as written, judged by the core schema of YAML 1.2 without its alternative spellings.
///
/// `yes`, `no`, `on`, `off`, `True` and `1_000` are text, so that nothing changes its meaning silently.
struct ScalarText: Equatable {
  enum Kind: Equatable { case null, boolean, integer, number, text }

  var text: String
  /// Quoted and block scalars are text, whatever they spell.
  var isQuoted: Bool

  var kind: Kind {
    if isQuoted { return .text }
    switch text {
    case "", "~", "null": return .null
    case "true", "false": return .boolean
    case ".inf", "+.inf", "-.inf", ".nan": return .number
    default: return Self.numericKind(text)
    }
  }

  /// The value of a scalar of kind integer or number; infinite when it is too large for a Double.
  var number: Double? {
    switch text {
    case ".inf", "+.inf": .infinity
    case "-.inf": -.infinity
    case ".nan": .nan
    default: kind == .integer || kind == .number ? Double(text) : nil
    }
  }

  /// How a message names the value: the spelling, cut short, in quotes when they matter.
  var mention: String {
    if kind == .null { return "empty" }
    let short = text.count > 60 ? text.prefix(57) + "..." : text
    if text.contains(where: { !$0.isPrintable }) { return SettingValue.quoted(short) }
    return isQuoted || text.contains(" ") ? "\"\(short)\"" : short
  }

  /// `[-+]?[0-9]+` is an integer, `[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?` a number.
  private static func numericKind(_ text: String) -> Kind {
    var rest = Substring(text).utf8
    func dropSign() { if let first = rest.first, first == 0x2B || first == 0x2D { rest = rest.dropFirst() } }
    func dropDigits() -> Int {
      let digits = rest.prefix { (0x30...0x39).contains($0) }
      rest = rest.dropFirst(digits.count)
      return digits.count
    }
    dropSign()
    let whole = dropDigits()
    if rest.isEmpty { return whole > 0 ? .integer : .text }
    var fraction = 0
    if rest.first == UInt8(ascii: ".") {
      rest = rest.dropFirst()
      fraction = dropDigits()
    }
    guard whole + fraction > 0 else { return .text }
    if let first = rest.first, first == UInt8(ascii: "e") || first == UInt8(ascii: "E") {
      rest = rest.dropFirst()
      dropSign()
      guard dropDigits() > 0 else { return .text }
    }
    return rest.isEmpty ? .number : .text
  }
}

extension Character {
  /// Whether a terminal and a YAML comment may hold the character.
  var isPrintable: Bool {
    !isNewline && unicodeScalars.allSatisfy { $0.value >= 0x20 && !(0x7F...0x9F).contains($0.value) }
  }
}
