import Diagnostics

/// The bytes of a pickle, and the way through them.
struct PickleInput {
  private let bytes: [UInt8]
  /// Of the next byte.
  private(set) var offset = 0
  /// Of the opcode that is being followed; what messages name.
  private(set) var opcodeOffset = 0

  init(_ bytes: [UInt8]) { self.bytes = bytes }

  func problem(_ what: String, remedy: String? = nil) -> PickleProblem {
    PickleProblem(offset: opcodeOffset, what: what, remedy: remedy)
  }

  /// The next opcode.
  mutating func opcode() throws -> UInt8 {
    opcodeOffset = offset
    return try byte()
  }

  mutating func byte() throws -> UInt8 {
    guard offset < bytes.count else { throw ended }
    defer { offset += 1 }
    return bytes[offset]
  }

  /// A little-endian number of `width` bytes without sign; at most 8.
  mutating func unsigned(_ width: Int) throws -> UInt64 {
    try take(width).reversed().reduce(0) { $0 << 8 | UInt64($1) }
  }

  /// As many bytes as the number of `width` bytes before them says.
  mutating func counted(_ width: Int) throws -> ArraySlice<UInt8> {
    let count = try unsigned(width)
    guard count <= UInt64(bytes.count - offset) else {
      throw problem("\(count) bytes are announced, \(bytes.count - offset) are left", remedy: "copy the file again")
    }
    return try take(Int(count))
  }

  mutating func take(_ count: Int) throws -> ArraySlice<UInt8> {
    guard count <= bytes.count - offset else { throw ended }
    defer { offset += count }
    return bytes[offset..<offset + count]
  }

  /// The bytes up to the next line feed, which is passed over.
  mutating func line() throws -> ArraySlice<UInt8> {
    guard let end = bytes[offset...].firstIndex(of: UInt8(ascii: "\n")) else { throw ended }
    defer { offset = end + 1 }
    return bytes[offset..<end]
  }

  private var ended: PickleProblem { problem("the file ends too early", remedy: "copy the file again") }

  // MARK: Texts

  /// Bytes as UTF-8.
  ///
  /// Python may write halves of surrogate pairs, which no text of ours can hold.
  func utf8(_ bytes: ArraySlice<UInt8>) throws -> String {
    guard let text = String(validating: bytes, as: UTF8.self) else { throw problem("a text that is not UTF-8") }
    return text
  }

  /// Bytes as ASCII, as Python 3 reads the texts of Python 2.
  func ascii(_ bytes: ArraySlice<UInt8>) throws -> String {
    guard bytes.allSatisfy({ $0 < 0x80 }) else { throw problem("a text of Python 2 that is not ASCII") }
    return String(decoding: bytes, as: UTF8.self)
  }

  /// A line of Latin-1 with `\uXXXX` and `\UXXXXXXXX`, as protocol 0 writes texts.
  func rawUnicodeEscape(_ line: ArraySlice<UInt8>) throws -> String {
    var scalars = String.UnicodeScalarView()
    var rest = line
    while let byte = rest.popFirst() {
      let width = byte == UInt8(ascii: "\\") ? Self.escapeWidth(rest.first) : nil
      guard let width else {
        scalars.append(Unicode.Scalar(byte))
        continue
      }
      let digits = rest.dropFirst().prefix(width)
      rest = rest.dropFirst(1 + width)
      let isHexadecimal = digits.allSatisfy { Unicode.Scalar($0).properties.isASCIIHexDigit }
      guard digits.count == width, isHexadecimal,
        let scalar = UInt32(String(decoding: digits, as: UTF8.self), radix: 16).flatMap(Unicode.Scalar.init)
      else { throw problem("a text with a malformed escape") }
      scalars.append(scalar)
    }
    return String(scalars)
  }

  private static func escapeWidth(_ letter: UInt8?) -> Int? {
    switch letter {
    case UInt8(ascii: "u"): 4
    case UInt8(ascii: "U"): 8
    default: nil
    }
  }

  /// A text of Python 2 in its own quotes.
  func quotedText(_ line: ArraySlice<UInt8>) throws -> String {
    guard line.count >= 2, let quote = line.first, quote == line.last,
      quote == UInt8(ascii: "'") || quote == UInt8(ascii: "\"")
    else { throw problem("a text without its quotes") }
    var content: [UInt8] = []
    var rest = line.dropFirst().dropLast()
    while let byte = rest.popFirst() {
      content.append(byte == UInt8(ascii: "\\") ? try escape(&rest) : byte)
    }
    return try ascii(content[...])
  }

  private func escape(_ rest: inout ArraySlice<UInt8>) throws -> UInt8 {
    switch rest.popFirst().map({ Unicode.Scalar($0) }) {
    case "n": return 0x0a
    case "r": return 0x0d
    case "t": return 0x09
    case "x":
      let digits = rest.prefix(2)
      rest = rest.dropFirst(2)
      guard digits.count == 2, let byte = UInt8(String(decoding: digits, as: UTF8.self), radix: 16) else {
        throw problem("a text with a malformed escape")
      }
      return byte
    case let letter? where ["\\", "'", "\""].contains(letter): return UInt8(letter.value)
    default: throw problem("a text with an unknown escape")
    }
  }
}
