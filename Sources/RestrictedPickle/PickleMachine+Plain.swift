/// Numbers, texts and bytes.
extension PickleMachine {
  mutating func pushesPlain(_ code: UInt8) throws -> Bool {
    switch code {
    case 0x80:
      let version = try input.byte()
      guard version <= 5 else { throw input.problem("its protocol is \(version); known are 0 to 5") }
    case 0x95:
      // Frames only help reading ahead; what they announce must be there.
      var ahead = input
      _ = try ahead.counted(8)
      _ = try input.unsigned(8)
    case UInt8(ascii: "N"): push(.none)
    case 0x88: push(.bool(true))
    case 0x89: push(.bool(false))
    default: return try pushesNumber(code) || pushesText(code)
    }
    return true
  }

  private mutating func pushesNumber(_ code: UInt8) throws -> Bool {
    switch code {
    case UInt8(ascii: "I"): push(try integerLine(booleans: true))
    case UInt8(ascii: "L"): push(try integerLine(booleans: false))
    case UInt8(ascii: "J"): push(.int(Int(Int32(truncatingIfNeeded: try input.unsigned(4)))))
    case UInt8(ascii: "K"): push(.int(Int(try input.byte())))
    case UInt8(ascii: "M"): push(.int(Int(try input.unsigned(2))))
    case 0x8a: push(try integer(try input.counted(1)))
    case 0x8b: push(try integer(try input.counted(4)))
    case UInt8(ascii: "F"):
      guard let number = Double(try input.ascii(try input.line())) else { throw input.problem("a number is malformed") }
      push(.float(number))
    case UInt8(ascii: "G"):
      push(.float(Double(bitPattern: try input.take(8).reduce(0) { $0 << 8 | UInt64($1) })))
    default: return false
    }
    return true
  }

  private mutating func integerLine(booleans: Bool) throws -> PickleItem {
    var text = try input.ascii(try input.line())
    if booleans, text == "01" || text == "00" { return .bool(text == "01") }
    if text.hasSuffix("L") { text.removeLast() }
    guard let number = Int(text) else { throw input.problem("a number is malformed or beyond 64 bits") }
    return .int(number)
  }

  /// Two's complement, the lowest byte first.
  private func integer(_ bytes: ArraySlice<UInt8>) throws -> PickleItem {
    let isNegative = bytes.last.map { $0 >= 0x80 } ?? false
    let padding = bytes.dropFirst(8)
    guard padding.allSatisfy({ $0 == (isNegative ? 0xff : 0) }) else { throw input.problem("a number beyond 64 bits") }
    let start: UInt64 = isNegative ? .max : 0
    let number = Int64(bitPattern: bytes.prefix(8).reversed().reduce(start) { $0 << 8 | UInt64($1) })
    guard padding.isEmpty || (number < 0) == isNegative else { throw input.problem("a number beyond 64 bits") }
    return .int(Int(number))
  }

  private mutating func pushesText(_ code: UInt8) throws -> Bool {
    switch code {
    case UInt8(ascii: "S"): push(.string(try input.quotedText(try input.line())))
    case UInt8(ascii: "T"): push(.string(try input.ascii(try input.counted(4))))
    case UInt8(ascii: "U"): push(.string(try input.ascii(try input.counted(1))))
    case UInt8(ascii: "V"): push(.string(try input.rawUnicodeEscape(try input.line())))
    case UInt8(ascii: "X"): push(.string(try input.utf8(try input.counted(4))))
    case 0x8c: push(.string(try input.utf8(try input.counted(1))))
    case 0x8d: push(.string(try input.utf8(try input.counted(8))))
    case UInt8(ascii: "B"): push(.bytes(Array(try input.counted(4))))
    case UInt8(ascii: "C"): push(.bytes(Array(try input.counted(1))))
    case 0x8e, 0x96: push(.bytes(Array(try input.counted(8))))
    default: return false
    }
    return true
  }
}
