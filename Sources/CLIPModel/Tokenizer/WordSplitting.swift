/// Where words end in a cleaned, lower-case text.
///
/// The published pattern, ignoring case, tried in this order at each position:
/// `'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+`.
enum WordSplitting {
  /// Scalars of the word at the start of `text`, which is not empty; 0 when its first scalar is in no word.
  static func wordLength(at text: ArraySlice<Unicode.Scalar>) -> Int {
    if let length = contractionLength(at: text) { return length }
    switch kind(of: text.first!) {
    case .letter: return text.prefix { kind(of: $0) == .letter }.count
    case .number: return 1
    case .mark: return text.prefix { kind(of: $0) == .mark }.count
    case .separator: return 0
    }
  }

  /// Ignoring case makes the long s equal to s.
  static func isLongS(_ scalar: Unicode.Scalar) -> Bool { scalar == "\u{17F}" }

  private static func contractionLength(at text: ArraySlice<Unicode.Scalar>) -> Int? {
    guard text.first == "'", let first = text.dropFirst().first else { return nil }
    let second = text.dropFirst(2).first
    switch (first, second) {
    case ("s", _), ("\u{17F}", _), ("t", _), ("m", _), ("d", _): return 2
    case ("r", "e"), ("v", "e"), ("l", "l"): return 3
    default: return nil
    }
  }

  private enum Kind { case letter, number, mark, separator }

  private static func kind(of scalar: Unicode.Scalar) -> Kind {
    switch scalar {
    case "a"..."z", "A"..."Z": return .letter
    case "0"..."9": return .number
    case " ": return .separator
    case "!"..."~": return .mark
    // The iota below a letter is a mark whose capital is a letter: ignoring case, it is in neither class.
    case "\u{345}": return .separator
    default: break
    }
    switch scalar.properties.generalCategory {
    case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter: return .letter
    case .decimalNumber, .letterNumber, .otherNumber: return .number
    default: return scalar.properties.isWhitespace ? .separator : .mark
    }
  }
}
