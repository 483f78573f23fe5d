/// A message of protocol buffers, written field by field: <https://protobuf.dev/programming-guides/encoding>.
struct ProtobufMessage: Equatable {
  /// The fields so far.
  private(set) var bytes: [UInt8] = []

  /// The kinds of payload, by the three low bits of a field's tag.
  private enum WireType: UInt64 {
    case varint, fixed64, delimited
    case fixed32 = 5
  }

  /// An integer or an enumeration.
  mutating func add(_ field: Int, integer: Int) {
    append(tag: field, .varint)
    append(varint: UInt64(bitPattern: Int64(integer)))
  }

  mutating func add(_ field: Int, double: Double) {
    append(tag: field, .fixed64)
    bytes.append(littleEndian: double.bitPattern)
  }

  mutating func add(_ field: Int, float: Float) {
    append(tag: field, .fixed32)
    bytes.append(littleEndian: float.bitPattern)
  }

  mutating func add(_ field: Int, text: String) { add(field, content: Array(text.utf8)) }

  mutating func add(_ field: Int, message: ProtobufMessage) { add(field, content: message.bytes) }

  private mutating func add(_ field: Int, content: [UInt8]) {
    append(tag: field, .delimited)
    append(varint: UInt64(content.count))
    bytes += content
  }

  private mutating func append(tag field: Int, _ type: WireType) { append(varint: UInt64(field) << 3 | type.rawValue) }

  /// Seven bits a byte, lowest first; the top bit says that more follow.
  private mutating func append(varint value: UInt64) {
    var rest = value
    while rest >= 0x80 {
      bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
      rest >>= 7
    }
    bytes.append(UInt8(rest))
  }
}

extension ProtobufMessage {
  /// The integer of a field of `message`, the last one that it has; nil where it has none or is no message.
  static func integer(_ field: Int, of message: ArraySlice<UInt8>) -> Int? {
    var rest = message
    var found: Int?
    while !rest.isEmpty {
      guard let tag = takeVarint(&rest), let type = WireType(rawValue: tag & 7) else { return nil }
      switch type {
      case .varint:
        guard let value = takeVarint(&rest) else { return nil }
        if tag >> 3 == field { found = Int(Int64(bitPattern: value)) }
      case .fixed64: rest = rest.dropFirst(8)
      case .fixed32: rest = rest.dropFirst(4)
      case .delimited:
        guard let count = takeVarint(&rest), count <= UInt64(rest.count) else { return nil }
        rest = rest.dropFirst(Int(count))
      }
    }
    return found
  }

  private static func takeVarint(_ bytes: inout ArraySlice<UInt8>) -> UInt64? {
    var value: UInt64 = 0
    for shift in stride(from: UInt64(0), to: 64, by: 7) {
      guard let byte = bytes.popFirst() else { return nil }
      value |= UInt64(byte & 0x7F) << shift
      if byte < 0x80 { return value }
    }
    return nil
  }
}

extension [UInt8] {
  /// Appends an integer, lowest byte first.
  mutating func append(littleEndian value: some FixedWidthInteger) {
    for shift in stride(from: 0, to: value.bitWidth, by: 8) { append(UInt8(truncatingIfNeeded: value >> shift)) }
  }
}
