import CXXHash

/// A 128-bit XXH3 hash: finds damage and mix-ups, not forgery.
public struct Hash128: Hashable, Sendable, CustomStringConvertible {
  /// The upper and the lower half.
  public let high: UInt64, low: UInt64

  /// A hash of two halves.
  public init(high: UInt64, low: UInt64) {
    self.high = high
    self.low = low
  }

  /// The hash that 32 lower-case hexadecimal digits write, highest first; nil for any other text.
  public init?(hexadecimal text: String) {
    let digits = Array(text.utf8)
    let isHexadecimal = digits.allSatisfy { (0x30...0x39).contains($0) || (0x61...0x66).contains($0) }
    guard digits.count == 32, isHexadecimal, let high = UInt64(text.prefix(16), radix: 16),
      let low = UInt64(text.suffix(16), radix: 16)
    else { return nil }
    self.init(high: high, low: low)
  }

  /// The hash of bytes in memory.
  public init(of bytes: UnsafeRawBufferPointer) {
    var stream = HashStream()
    stream.append(bytes)
    self = stream.hash
  }

  /// 32 lower-case hexadecimal digits, highest first.
  public var description: String { Self.digits(high) + Self.digits(low) }

  private static func digits(_ half: UInt64) -> String {
    let digits = String(half, radix: 16)
    return String(repeating: "0", count: 16 - digits.count) + digits
  }
}

/// The hash of bytes that come in pieces; how they are cut does not matter.
public struct HashStream: ~Copyable {
  private let state: OpaquePointer

  /// The hash of nothing yet.
  public init() {
    guard let state = XXH3_createState(), XXH3_128bits_reset(state) == XXH_OK else {
      fatalError("out of memory for a hash")
    }
    self.state = state
  }

  deinit { XXH3_freeState(state) }

  /// Adds bytes at the end.
  public mutating func append(_ bytes: UnsafeRawBufferPointer) {
    guard let start = bytes.baseAddress else { return }
    let code = XXH3_128bits_update(state, start, bytes.count)
    precondition(code == XXH_OK, "XXH3_128bits_update failed")
  }

  /// Adds a number, as 64 bits, the lowest byte first.
  public mutating func append(number: Int) {
    withUnsafeBytes(of: UInt64(bitPattern: Int64(number)).littleEndian) { append($0) }
  }

  /// Adds a text: the length of its UTF-8 bytes, and the bytes.
  public mutating func append(text: String) {
    let bytes = Array(text.utf8)
    append(number: bytes.count)
    bytes.withUnsafeBytes { append($0) }
  }

  /// The hash of all bytes so far.
  public var hash: Hash128 {
    let digest = XXH3_128bits_digest(state)
    return Hash128(high: digest.high64, low: digest.low64)
  }
}
