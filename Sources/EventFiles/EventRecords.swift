/// Records of TensorFlow's TFRecord files: the length of the content as 8 bytes, a masked CRC-32C of these, the content, and
/// a masked CRC-32C of it, all numbers lowest byte first.
enum EventRecords {
  private static let headerSize = 12, checksumSize = 4
  /// Events of ours are far smaller; what claims to be longer is damaged.
  private static let largest = 1 << 26

  /// `content` as a record.
  static func record(_ content: [UInt8]) -> [UInt8] {
    var bytes: [UInt8] = []
    bytes.append(littleEndian: UInt64(content.count))
    bytes.append(littleEndian: CRC32C.masked(bytes))
    bytes += content
    bytes.append(littleEndian: CRC32C.masked(content))
    return bytes
  }

  /// The contents of the whole, undamaged records that `bytes` begin with.
  static func contents(_ bytes: [UInt8]) -> [ArraySlice<UInt8>] {
    var contents: [ArraySlice<UInt8>] = []
    var start = 0
    while let content = content(of: bytes, at: start) {
      contents.append(content)
      start = end(of: content)
    }
    return contents
  }

  /// Where the record of a content ends.
  static func end(of content: ArraySlice<UInt8>) -> Int { content.endIndex + checksumSize }

  /// The content of the record at `start`; nil where there is no whole one.
  private static func content(of bytes: [UInt8], at start: Int) -> ArraySlice<UInt8>? {
    guard bytes.count - start >= headerSize + checksumSize else { return nil }
    let length = bytes[start..<start + 8]
    let count = number(length)
    guard number(bytes[start + 8..<start + headerSize]) == UInt64(CRC32C.masked(length)), count <= largest,
      Int(count) <= bytes.count - start - headerSize - checksumSize
    else { return nil }
    let content = bytes[start + headerSize..<start + headerSize + Int(count)]
    let checksum = number(bytes[content.endIndex..<content.endIndex + checksumSize])
    return checksum == UInt64(CRC32C.masked(content)) ? content : nil
  }

  private static func number(_ bytes: ArraySlice<UInt8>) -> UInt64 {
    bytes.reversed().reduce(0) { $0 << 8 | UInt64($1) }
  }
}
