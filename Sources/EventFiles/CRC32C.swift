/// The checksum of Castagnoli (RFC 3720, appendix B.4), reflected polynomial 0x82F63B78, a table look-up per byte.
///
/// Records have some hundred bytes, so a slow one is fast enough.
enum CRC32C {
  private static let table: [UInt32] = (0..<256).map { byte in
    (0..<8).reduce(UInt32(byte)) { value, _ in value & 1 == 0 ? value >> 1 : value >> 1 ^ 0x82F6_3B78 }
  }

  /// The checksum of `bytes`.
  static func checksum(_ bytes: some Sequence<UInt8>) -> UInt32 {
    ~bytes.reduce(~0) { value, byte in table[Int(UInt8(truncatingIfNeeded: value) ^ byte)] ^ value >> 8 }
  }

  /// As records store it: rotated, and moved by a constant, so that checksums of checksums are not a special case.
  static func masked(_ bytes: some Sequence<UInt8>) -> UInt32 {
    let value = checksum(bytes)
    return (value >> 15 | value << 17) &+ 0xA282_EAD8
  }
}
