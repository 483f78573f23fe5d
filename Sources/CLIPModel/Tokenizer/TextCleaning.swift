import Foundation

/// What happens to a text before it is split into words, as in the published CLIP code.
///
/// There it is `ftfy.fix_text`, HTML unescaping twice, whitespace runs to one space, lower case. Of ftfy everything is
/// here except the repair of text that was decoded with the wrong encoding ("mojibake"): that is a heuristic over whole
/// strings, and names of classes are not damaged that way.
///
/// All work is on Unicode scalars: Swift's characters would join what the reference treats one by one.
enum TextCleaning {
  /// The cleaned text.
  static func clean(_ text: String) -> [Unicode.Scalar] {
    var scalars = Array(text.unicodeScalars)
    if !scalars.allSatisfy(isPlain) {
      scalars = fixed(scalars)
      scalars = HTMLEntities.unescape(HTMLEntities.unescape(scalars))
    }
    return lowercased(collapsingSpace(scalars))
  }

  /// Printable ASCII that starts no character reference needs no repair.
  private static func isPlain(_ scalar: Unicode.Scalar) -> Bool {
    scalar.value >= 0x20 && scalar.value < 0x7F && scalar != "&"
  }

  /// Python's `" ".join(text.split())`.
  static func collapsingSpace(_ text: [Unicode.Scalar]) -> [Unicode.Scalar] {
    var result: [Unicode.Scalar] = []
    result.reserveCapacity(text.count)
    for word in text.split(whereSeparator: isSpace) {
      if !result.isEmpty { result.append(" ") }
      result.append(contentsOf: word)
    }
    return result
  }

  /// Python's `str.isspace`: Unicode's white space and the four ASCII separators.
  private static func isSpace(_ scalar: Unicode.Scalar) -> Bool {
    scalar.value < 0x7F
      ? scalar == " " || (0x09...0x0D).contains(scalar.value) || (0x1C...0x1F).contains(scalar.value)
      : scalar.properties.isWhitespace
  }

  /// Python's `str.lower`: full case mapping, with the final form of sigma.
  static func lowercased(_ text: [Unicode.Scalar]) -> [Unicode.Scalar] {
    var result: [Unicode.Scalar] = []
    result.reserveCapacity(text.count)
    for (index, scalar) in text.enumerated() {
      switch scalar {
      case "A"..."Z": result.append(Unicode.Scalar(scalar.value | 0x20)!)
      case "\0"..."\u{7F}": result.append(scalar)
      case "\u{3A3}": result.append(isFinal(at: index, in: text) ? "\u{3C2}" : "\u{3C3}")
      default: result.append(contentsOf: scalar.properties.lowercaseMapping.unicodeScalars)
      }
    }
    return result
  }

  /// Whether a letter ends a word: a cased letter before it and none after it, not counting what has no case by nature.
  private static func isFinal(at index: Int, in text: [Unicode.Scalar]) -> Bool {
    let before = text[..<index].last { !$0.properties.isCaseIgnorable }
    let after = text[(index + 1)...].first { !$0.properties.isCaseIgnorable }
    return before?.properties.isCased == true && after?.properties.isCased != true
  }
}

// MARK: - Repairs

extension TextCleaning {
  /// Repairs each line until nothing changes.
  ///
  /// Where a `<` has been seen, references are taken for literal text.
  private static func fixed(_ text: [Unicode.Scalar]) -> [Unicode.Scalar] {
    var result: [Unicode.Scalar] = []
    var mayUnescape = true
    var rest = text[...]
    while !rest.isEmpty {
      let end = rest.firstIndex(of: "\n").map { $0 + 1 } ?? rest.endIndex
      var line = Array(rest[..<end])
      if line.contains("<") { mayUnescape = false }
      while true {
        let repaired = repairedOnce(line, unescape: mayUnescape)
        if repaired == line { break }
        line = repaired
      }
      result.append(contentsOf: line)
      rest = rest[end...]
    }
    return result
  }

  private static func repairedOnce(_ line: [Unicode.Scalar], unescape: Bool) -> [Unicode.Scalar] {
    var line = unescape ? HTMLEntities.unescapeUnambiguous(line) : line
    line = withReplacements(line)
    line = withUnixLineBreaks(line)
    line = withoutTerminalEscapes(line)
    line.removeAll(where: isUnwanted)
    return composed(line)
  }

  /// Canonical composition (NFC).
  ///
  /// Decomposed first, because the system's composition leaves a Hangul syllable and a final consonant after it apart.
  private static func composed(_ line: [Unicode.Scalar]) -> [Unicode.Scalar] {
    // Below the first combining mark there is nothing to compose.
    guard line.contains(where: { $0.value >= 0x300 }) else { return line }
    let text = String(String.UnicodeScalarView(line))
    return Array(text.decomposedStringWithCanonicalMapping.precomposedStringWithCanonicalMapping.unicodeScalars)
  }

  private static func withReplacements(_ line: [Unicode.Scalar]) -> [Unicode.Scalar] {
    guard line.contains(where: { !$0.isASCII }) else { return line }
    var result: [Unicode.Scalar] = []
    result.reserveCapacity(line.count)
    for scalar in line {
      if !scalar.isASCII, let others = replacements[scalar] {
        result.append(contentsOf: others)
      } else {
        result.append(scalar)
      }
    }
    return result
  }

  /// Scalars that always stand for others: leftover Windows codes, Latin ligatures, full and half width, curly quotes.
  ///
  /// What a replacement yields may itself be replaced; that is left to the next round.
  private static let replacements: [Unicode.Scalar: [Unicode.Scalar]] = {
    var table: [Unicode.Scalar: [Unicode.Scalar]] = [:]
    for code in 0x80...0x9F as ClosedRange<UInt32> {
      table[Unicode.Scalar(code)!] = [Windows1252.scalar(forControl: code)]
    }
    let ligatures = [
      "Ĳ": "IJ", "ĳ": "ij", "ŉ": "\u{2BC}n", "Ǳ": "DZ", "ǲ": "Dz", "ǳ": "dz", "Ǆ": "DŽ", "ǅ": "Dž", "ǆ": "dž",
      "Ǉ": "LJ",
      "ǈ": "Lj", "ǉ": "lj", "Ǌ": "NJ", "ǋ": "Nj", "ǌ": "nj", "ﬀ": "ff", "ﬁ": "fi", "ﬂ": "fl", "ﬃ": "ffi", "ﬄ": "ffl",
      "ﬅ": "ſt", "ﬆ": "st",
    ]
    for (ligature, letters) in ligatures { table[ligature.unicodeScalars.first!] = Array(letters.unicodeScalars) }
    table["\u{3000}"] = [" "]
    for code in 0xFF01..<0xFFF0 as Range<UInt32> {
      let scalar = Unicode.Scalar(code)!
      table[scalar] = Array(String(scalar).precomposedStringWithCompatibilityMapping.unicodeScalars)
    }
    for quote in "\u{2BC}\u{2018}\u{2019}\u{201A}\u{201B}".unicodeScalars { table[quote] = ["'"] }
    for quote in "\u{201C}\u{201D}\u{201E}\u{201F}".unicodeScalars { table[quote] = ["\""] }
    return table
  }()

  private static func withUnixLineBreaks(_ line: [Unicode.Scalar]) -> [Unicode.Scalar] {
    guard line.contains(where: { $0 == "\r" || $0 == "\u{2028}" || $0 == "\u{2029}" }) else { return line }
    var result: [Unicode.Scalar] = []
    result.reserveCapacity(line.count)
    for (index, scalar) in line.enumerated() {
      switch scalar {
      case "\r": if index + 1 == line.count || line[index + 1] != "\n" { result.append("\n") }
      case "\u{2028}", "\u{2029}": result.append("\n")
      default: result.append(scalar)
      }
    }
    return result
  }

  /// Drops the sequences that colour text on terminals: escape, `[`, digits and semicolons, a letter.
  private static func withoutTerminalEscapes(_ line: [Unicode.Scalar]) -> [Unicode.Scalar] {
    guard line.contains("\u{1B}") else { return line }
    var result: [Unicode.Scalar] = []
    var rest = line[...]
    while let scalar = rest.popFirst() {
      if scalar == "\u{1B}", rest.first == "[" {
        let tail = rest.dropFirst().drop { $0 == ";" || $0.properties.generalCategory == .decimalNumber }
        if case "A"..."Z" = tail.first ?? " " { rest = tail.dropFirst(); continue }
        if case "a"..."z" = tail.first ?? " " { rest = tail.dropFirst(); continue }
      }
      result.append(scalar)
    }
    return result
  }

  /// Control characters, deprecated format characters and the byte order mark.
  private static func isUnwanted(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.value {
    case 0x00...0x08, 0x0B, 0x0E...0x1F, 0x7F, 0x206A...0x206F, 0xFEFF, 0xFFF9...0xFFFC: true
    default: false
    }
  }
}
