import Diagnostics

/// Reads a strict JSON text (RFC 8259) from front to back, value by value, so that every complaint can say line and
/// column and nothing is kept but what the reader asks for.
///
/// Each method expects a value of one kind next and throws `JSONProblem` at its position if there is another one.
package struct JSONCursor {
  /// Values of which nothing is known in advance may nest this deep, so that a hostile file cannot exhaust the stack.
  package static let nestingLimit = 64

  private enum Kind: String {
    case list = "a list"
    case object = "an object"
    case string = "a string"
    case number = "a number"
    case boolean = "true or false"
    case null
  }

  private let bytes: [UInt8]
  private var offset = 0

  /// A cursor before the first value.
  ///
  /// JSON has no byte order mark; one at the start is passed over only where the reader allows it.
  package init(_ bytes: [UInt8], allowsByteOrderMark: Bool = false) {
    self.bytes = bytes
    if allowsByteOrderMark, bytes.starts(with: [0xef, 0xbb, 0xbf]) { offset = 3 }
  }

  /// A problem at the next value; lines and columns (in bytes) count from 1.
  package mutating func problem(_ problem: String, remedy: String? = nil) -> JSONProblem {
    skipSpace()
    return problemHere(problem, remedy: remedy)
  }

  /// An array; `element` reads the value with the given index, and must read exactly it.
  package mutating func array(_ what: String, _ element: (inout JSONCursor, Int) throws -> Void) throws {
    try open("[", what: "\(what) must be a list")
    if take("]") { return }
    var index = 0
    repeat {
      try element(&self, index)
      index += 1
    } while take(",")
    try close("]")
  }

  /// An object; `member` reads the value of the given key, and must read exactly it.
  ///
  /// A key given twice is refused.
  package mutating func object(_ what: String, _ member: (inout JSONCursor, String) throws -> Void) throws {
    try open("{", what: "\(what) must be an object")
    if take("}") { return }
    var seen = Set<String>()
    repeat {
      let atKey = offset
      let key = try string("a key")
      guard seen.insert(key).inserted else {
        offset = atKey
        throw problem("the key \(quoted(key)) is given twice")
      }
      guard take(":") else { throw syntaxProblem("':' is missing after a key") }
      try member(&self, key)
    } while take(",")
    try close("}")
  }

  /// Nothing but white space may be left.
  package mutating func end() throws {
    guard peek() == nil else { throw syntaxProblem("text after the end of the value") }
  }

  /// A whole number that fits in `Int`.
  package mutating func integer(_ what: String) throws -> Int {
    let start = try number(what: "\(what) must be a whole number")
    let text = bytes[start..<offset]
    guard let value = Int(String(decoding: text, as: UTF8.self)) else {
      let given = String(decoding: text.prefix(30), as: UTF8.self)
      offset = start
      throw problem("\(what) must be a whole number below 2^63, not \(given)")
    }
    return value
  }

  /// A value of any kind, whole; `depth` is the number of lists and objects around it.
  ///
  /// A key given twice and a number beyond the range of `Double` are refused.
  package mutating func value(depth: Int = 0) throws -> JSONValue {
    try checkDepth(depth)
    switch nextKind() {
    case .list:
      var elements: [JSONValue] = []
      try array("a value") { cursor, _ in elements.append(try cursor.value(depth: depth + 1)) }
      return .array(elements)
    case .object:
      var members: [JSONMember] = []
      try object("a value") { cursor, key in members.append(JSONMember(key, try cursor.value(depth: depth + 1))) }
      return .object(members)
    case .string: return .string(try string("a value"))
    case .number: return try numberValue()
    case .boolean, .null: return try word()
    case nil: throw syntaxProblem("a value is missing")
    }
  }

  /// Reads and forgets a value of any kind; `depth` is the number of lists and objects around it.
  package mutating func skipValue(depth: Int = 0) throws {
    try checkDepth(depth)
    switch nextKind() {
    case .list: try array("a value") { cursor, _ in try cursor.skipValue(depth: depth + 1) }
    case .object: try object("a value") { cursor, _ in try cursor.skipValue(depth: depth + 1) }
    case .string: _ = try string("a value")
    case .number: _ = try number(what: "a number")
    case .boolean, .null: _ = try word()
    case nil: throw syntaxProblem("a value is missing")
    }
  }

  /// A string, with its escapes resolved.
  package mutating func string(_ what: String) throws -> String {
    try open("\"", what: "\(what) must be a string")
    var start = offset
    var text = ""
    while true {
      guard offset < bytes.count else { throw endsInString() }
      let byte = bytes[offset]
      guard byte >= 0x20 else { throw malformed("a control character inside a string") }
      if byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") {
        guard let part = String(validating: bytes[start..<offset], as: UTF8.self) else {
          throw malformed("a string that is not UTF-8")
        }
        text += part
        offset += 1
        if byte == UInt8(ascii: "\"") { return text }
        text.unicodeScalars.append(try escape())
        start = offset
      } else {
        offset += 1
      }
    }
  }
}

extension JSONCursor {
  private mutating func skipSpace() {
    while offset < bytes.count {
      switch bytes[offset] {
      case 0x20, 0x0a, 0x0d, 0x09: offset += 1
      default: return
      }
    }
  }

  /// The first byte of the next value or mark; nil at the end of the file.
  private mutating func peek() -> UInt8? {
    skipSpace()
    return offset < bytes.count ? bytes[offset] : nil
  }

  /// The kind of value that the next byte begins; nil where it begins none.
  private mutating func nextKind() -> Kind? {
    switch peek().map({ Unicode.Scalar($0) }) {
    case "[": .list
    case "{": .object
    case "\"": .string
    case "-", .some("0"..."9"): .number
    case "t", "f": .boolean
    case "n": .null
    default: nil
    }
  }

  private mutating func take(_ mark: Unicode.Scalar) -> Bool {
    guard peek() == UInt8(ascii: mark) else { return false }
    offset += 1
    return true
  }

  /// `true`, `false` or `null`.
  private mutating func word() throws -> JSONValue {
    let words: [(spelling: StaticString, value: JSONValue)] = [
      ("true", .bool(true)), ("false", .bool(false)), ("null", .null),
    ]
    for (spelling, value) in words where spelling.withUTF8Buffer({ bytes[offset...].starts(with: $0) }) {
      offset += spelling.utf8CodeUnitCount
      return value
    }
    throw syntaxProblem("an unknown word")
  }

  private mutating func checkDepth(_ depth: Int) throws {
    guard depth < Self.nestingLimit else { throw problem("values nest deeper than \(Self.nestingLimit) levels") }
  }

  private mutating func open(_ mark: Unicode.Scalar, what rule: String) throws {
    guard take(mark) else { throw kindProblem(rule) }
  }

  private mutating func close(_ mark: Unicode.Scalar) throws {
    guard take(mark) else { throw syntaxProblem("',' or '\(mark)' is missing") }
  }

  /// The value is there but of another kind; or there is no value.
  private mutating func kindProblem(_ rule: String) -> JSONProblem {
    nextKind().map { problem("\(rule), not \($0.rawValue)") } ?? syntaxProblem(rule)
  }

  private mutating func syntaxProblem(_ what: String) -> JSONProblem {
    skipSpace()
    return malformed(what)
  }

  /// A problem of grammar at exactly the current byte.
  private func malformed(_ what: String) -> JSONProblem {
    guard offset < bytes.count else {
      return problemHere("malformed JSON: the text ends too early (\(what))", remedy: "copy the file again")
    }
    return problemHere("malformed JSON: \(what)", remedy: "correct the file or copy it again")
  }

  private func endsInString() -> JSONProblem {
    problemHere("malformed JSON: the text ends inside a string", remedy: "copy the file again")
  }

  private func problemHere(_ problem: String, remedy: String?) -> JSONProblem {
    let before = bytes[..<offset]
    let line = before.count { $0 == UInt8(ascii: "\n") } + 1
    let column = offset - (before.lastIndex(of: UInt8(ascii: "\n")) ?? -1)
    return JSONProblem(line: line, column: column, problem: problem, remedy: remedy)
  }

  /// Exact where the number has neither fraction nor exponent and fits.
  private mutating func numberValue() throws -> JSONValue {
    let start = try number(what: "a number")
    let text = String(decoding: bytes[start..<offset], as: UTF8.self)
    if let integer = Int(text) { return .integer(integer) }
    if let number = Double(text), number.isFinite { return .number(number) }
    offset = start
    throw problem("the number \(quoted(text)) is out of range")
  }

  /// Passes over a number of JSON's grammar and gives its first byte's offset.
  private mutating func number(what rule: String) throws -> Int {
    let first = peek()
    guard first == UInt8(ascii: "-") || first.map(Self.isDigit) == true else { throw kindProblem(rule) }
    let start = offset
    if bytes[offset] == UInt8(ascii: "-") { offset += 1 }
    let leading = offset
    try digits()
    guard offset == leading + 1 || bytes[leading] != UInt8(ascii: "0") else {
      throw malformed("a number with a leading zero")
    }
    if offset < bytes.count, bytes[offset] == UInt8(ascii: ".") {
      offset += 1
      try digits()
    }
    if offset < bytes.count, bytes[offset] | 0x20 == UInt8(ascii: "e") {
      offset += 1
      if offset < bytes.count, [UInt8(ascii: "+"), UInt8(ascii: "-")].contains(bytes[offset]) { offset += 1 }
      try digits()
    }
    return start
  }

  private mutating func digits() throws {
    let start = offset
    while offset < bytes.count, Self.isDigit(bytes[offset]) { offset += 1 }
    guard offset > start else { throw malformed("a digit is missing") }
  }

  private static func isDigit(_ byte: UInt8) -> Bool { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) }

  /// The character of the escape whose backslash was just read.
  private mutating func escape() throws -> Unicode.Scalar {
    guard offset < bytes.count else { throw malformed("an escape is missing") }
    let letter = bytes[offset]
    offset += 1
    switch letter {
    case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): return Unicode.Scalar(letter)
    case UInt8(ascii: "b"): return "\u{8}"
    case UInt8(ascii: "f"): return "\u{c}"
    case UInt8(ascii: "n"): return "\n"
    case UInt8(ascii: "r"): return "\r"
    case UInt8(ascii: "t"): return "\t"
    case UInt8(ascii: "u"): return try unicodeEscape()
    default:
      offset -= 1
      throw malformed("an unknown escape in a string")
    }
  }

  /// `\uXXXX`, or two of them that form a surrogate pair.
  private mutating func unicodeEscape() throws -> Unicode.Scalar {
    let first = try hexUnit()
    if let scalar = Unicode.Scalar(first) { return scalar }
    if bytes[offset...].starts(with: [UInt8(ascii: "\\"), UInt8(ascii: "u")]) {
      offset += 2
      let second = try hexUnit()
      if UTF16.isLeadSurrogate(first), UTF16.isTrailSurrogate(second) {
        return UTF16.decode(UTF16.EncodedScalar([first, second]))
      }
    }
    throw malformed("half of a surrogate pair in a string")
  }

  private mutating func hexUnit() throws -> UInt16 {
    let text = bytes[offset...].prefix(4)
    let isHexadecimal = text.allSatisfy { Unicode.Scalar($0).properties.isASCIIHexDigit }
    guard text.count == 4, isHexadecimal, let unit = UInt16(String(decoding: text, as: UTF8.self), radix: 16) else {
      throw malformed("\\u without four hexadecimal digits")
    }
    offset += 4
    return unit
  }
}
