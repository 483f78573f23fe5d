/// Decoding of HTML character references, by two rules: a browser's, and a cautious one.
enum HTMLEntities {
  private static let ampersand: Unicode.Scalar = "&"

  /// Names with a semicolon after them, and the shorter list of those that also count without one.
  ///
  /// Keys are ASCII, and only ASCII is ever looked up: Swift finds strings equal that differ in normalisation.
  private static let (named, bare) = parse(HTMLEntityNames.table)

  private static func parse(_ table: String) -> (named: [String: [Unicode.Scalar]], bare: [String: [Unicode.Scalar]]) {
    var named: [String: [Unicode.Scalar]] = [:]
    var bare: [String: [Unicode.Scalar]] = [:]
    for word in table.split(whereSeparator: \.isWhitespace) {
      let parts = word.split(separator: "=")
      let scalars = parts[1].split(separator: ",").map { Unicode.Scalar(UInt32($0, radix: 16)!)! }
      let isOptional = parts[0].hasSuffix("*")
      let name = String(isOptional ? parts[0].dropLast() : parts[0])
      named[name] = scalars
      if isOptional { bare[name] = scalars }
    }
    return (named, bare)
  }

  /// Decodes what a browser decodes: numbers and names, with or without semicolon, the longest known name first.
  ///
  /// The rules are those of the HTML 5 standard as Python's `html.unescape` applies them.
  static func unescape(_ text: [Unicode.Scalar]) -> [Unicode.Scalar] {
    replacing(text) { rest in
      if let number = numeric(rest) { return number }
      let name = rest.dropFirst().prefix(32).prefix { isNameScalar($0) }
      guard !name.isEmpty else { return nil }
      let ascii = String(String.UnicodeScalarView(name.prefix { $0.isASCII }))
      let isWhole = ascii.unicodeScalars.count == name.count
      let next = rest.startIndex + 1 + name.count
      if isWhole, next < rest.endIndex, rest[next] == ";", let scalars = named[ascii] {
        return (scalars, length: name.count + 2)
      }
      for length in stride(from: ascii.utf8.count, through: 2, by: -1) {
        if let scalars = bare[String(ascii.prefix(length))] { return (scalars, length: length + 1) }
      }
      return nil
    }
  }

  /// Decodes only what cannot be meant otherwise: references that end in a semicolon, and names written all in capitals
  /// (`&EACUTE;`), as ftfy does.
  static func unescapeUnambiguous(_ text: [Unicode.Scalar]) -> [Unicode.Scalar] {
    replacing(text) { rest in
      if rest.dropFirst().first == "#" {
        guard let number = numeric(rest), number.length <= 27, rest[rest.startIndex + number.length - 1] == ";",
          number.scalars != [";"]
        else { return nil }
        return number
      }
      let name = rest.dropFirst().prefix(24).prefix { isAlphanumeric($0) }
      let next = rest.startIndex + 1 + name.count
      guard !name.isEmpty, next < rest.endIndex, rest[next] == ";" else { return nil }
      let ascii = String(String.UnicodeScalarView(name))
      guard let scalars = named[ascii] ?? capitals(ascii) else { return nil }
      return (scalars, length: name.count + 2)
    }
  }

  /// The capital form of what a name in capitals means in small letters, unless a browser reads it as something else.
  private static func capitals(_ name: String) -> [Unicode.Scalar]? {
    guard name.utf8.allSatisfy({ !(UInt8(ascii: "a")...UInt8(ascii: "z")).contains($0) }),
      let scalars = named[name.lowercased()],
      !(2...max(2, name.utf8.count)).contains(where: { bare[String(name.prefix($0))] != nil })
    else { return nil }
    return scalars.flatMap { Array($0.properties.uppercaseMapping.unicodeScalars) }
  }

  /// Puts what `decode` makes of the text from an ampersand on in place of the scalars it took.
  private static func replacing(
    _ text: [Unicode.Scalar],
    decode: (ArraySlice<Unicode.Scalar>) -> (scalars: [Unicode.Scalar], length: Int)?
  ) -> [Unicode.Scalar] {
    guard text.contains(ampersand) else { return text }
    var result: [Unicode.Scalar] = []
    result.reserveCapacity(text.count)
    var position = 0
    while position < text.count {
      if text[position] == ampersand, let (scalars, length) = decode(text[position...]) {
        result.append(contentsOf: scalars)
        position += length
      } else {
        result.append(text[position])
        position += 1
      }
    }
    return result
  }

  private static func isNameScalar(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar {
    case "\t", "\n", "\u{C}", " ", "<", "&", "#", ";": false
    default: true
    }
  }

  private static func isAlphanumeric(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar {
    case "0"..."9", "A"..."Z", "a"..."z": true
    default: false
    }
  }
}

// MARK: - Numbers

extension HTMLEntities {
  /// `&#38;`, `&#38`, `&#x26;` or `&#x26` at the start of `text`.
  private static func numeric(_ text: ArraySlice<Unicode.Scalar>) -> (scalars: [Unicode.Scalar], length: Int)? {
    var rest = text.dropFirst()
    guard rest.popFirst() == "#" else { return nil }
    let isHexadecimal = rest.first == "x" || rest.first == "X"
    if isHexadecimal { rest = rest.dropFirst() }
    let radix: UInt32 = isHexadecimal ? 16 : 10
    var code: UInt32 = 0
    let digitsStart = rest.startIndex
    while let scalar = rest.first, let digit = asciiDigit(scalar), digit < radix {
      // Beyond the last code point the exact number no longer matters.
      code = min(code * radix + digit, 0x11_0000)
      rest = rest.dropFirst()
    }
    guard rest.startIndex > digitsStart else { return nil }
    if rest.first == ";" { rest = rest.dropFirst() }
    return (meaning(of: code), length: rest.startIndex - text.startIndex)
  }

  private static func asciiDigit(_ scalar: Unicode.Scalar) -> UInt32? {
    switch scalar {
    case "0"..."9": scalar.value - 0x30
    case "A"..."F": scalar.value - 0x41 + 10
    case "a"..."f": scalar.value - 0x61 + 10
    default: nil
    }
  }

  private static func meaning(of code: UInt32) -> [Unicode.Scalar] {
    switch code {
    case 0: return ["\u{FFFD}"]
    case 0x80...0x9F: return [Windows1252.scalar(forControl: code)]
    case 0x09, 0x0A, 0x0C, 0x0D: return [Unicode.Scalar(UInt8(code))]
    case 0x01...0x1F, 0x7F, 0xFDD0...0xFDEF: return []
    case _ where code <= 0x10FFFF && code & 0xFFFE == 0xFFFE: return []
    default: return [Unicode.Scalar(code) ?? "\u{FFFD}"]
    }
  }
}

/// What the 32 codes from U+0080 on mean when they come from Windows text, as browsers read them.
enum Windows1252 {
  private static let table: [UInt32] = [
    0x20AC, 0x81, 0x201A, 0x192, 0x201E, 0x2026, 0x2020, 0x2021, 0x2C6, 0x2030, 0x160, 0x2039, 0x152, 0x8D, 0x17D, 0x8F,
    0x90, 0x2018, 0x2019, 0x201C, 0x201D, 0x2022, 0x2013, 0x2014, 0x2DC, 0x2122, 0x161, 0x203A, 0x153, 0x9D, 0x17E,
    0x178,
  ]

  /// The character for a code in 0x80...0x9F; five of them stay control characters.
  static func scalar(forControl code: UInt32) -> Unicode.Scalar { Unicode.Scalar(table[Int(code - 0x80)])! }
}
