import ShardFiles

/// What was found out about an image file.
public enum ImageVerdict: Sendable, Equatable {
  /// It decodes; the hash is of size and pixels, whatever the file's format.
  case sound(Hash128)
  /// There is no file.
  case missing
  /// It cannot be read or decoded; the words say why.
  case unreadable(String)
}

extension [ImageVerdict] {
  /// The verdicts as bytes, for other ranks.
  func encoded() -> [UInt8] {
    var bytes: [UInt8] = []
    for verdict in self {
      switch verdict {
      case .missing: bytes.append(0)
      case .sound(let hash):
        bytes.append(1)
        for half in [hash.high, hash.low] { bytes += Swift.withUnsafeBytes(of: half.littleEndian, [UInt8].init) }
      case .unreadable(let words):
        let text = [UInt8](words.utf8)
        bytes.append(2)
        bytes += Swift.withUnsafeBytes(of: UInt64(text.count).littleEndian, [UInt8].init)
        bytes += text
      }
    }
    return bytes
  }

  /// Reads what `encoded` wrote; nil for any other bytes.
  init?(encoded bytes: [UInt8]) {
    self = []
    var rest = bytes[...]
    func number() -> UInt64? {
      guard rest.count >= 8 else { return nil }
      defer { rest = rest.dropFirst(8) }
      return rest.prefix(8).reversed().reduce(0) { $0 << 8 | UInt64($1) }
    }
    while let tag = rest.popFirst() {
      switch tag {
      case 0: append(.missing)
      case 1:
        guard let high = number(), let low = number() else { return nil }
        append(.sound(Hash128(high: high, low: low)))
      case 2:
        guard let count = number(), count <= UInt64(rest.count) else { return nil }
        append(.unreadable(String(decoding: rest.prefix(Int(count)), as: UTF8.self)))
        rest = rest.dropFirst(Int(count))
      default: return nil
      }
    }
  }
}
