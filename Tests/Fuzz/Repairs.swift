import Foundation
import ShardFiles

/// Checksums made right again after a change, each written after the format's own description.
enum Repairs {
  // MARK: CRC-32

  private static let table: [UInt32] = (0..<256 as Range<UInt32>).map { index in
    (0..<8).reduce(index) { value, _ in value & 1 == 1 ? value >> 1 ^ 0xedb8_8320 : value >> 1 }
  }

  static func crc32(_ bytes: ArraySlice<UInt8>) -> UInt32 {
    ~bytes.reduce(~0) { table[Int(UInt8(truncatingIfNeeded: $0) ^ $1)] ^ $0 >> 8 }
  }

  private static func number(_ bytes: [UInt8], _ place: Int, _ width: Int) -> Int? {
    guard place >= 0, place <= bytes.count - width else { return nil }
    return bytes[place..<place + width].reversed().reduce(0) { $0 << 8 | Int($1) }
  }

  private static func put(_ number: UInt32, at place: Int, isBigEndian: Bool, _ bytes: inout [UInt8]) {
    for index in 0..<4 {
      let shift = UInt32(8 * (isBigEndian ? 3 - index : index))
      bytes[place + index] = UInt8(truncatingIfNeeded: number >> shift)
    }
  }

  /// Chunk after chunk of a PNG, as far as their lengths make sense.
  static func png(_ bytes: inout [UInt8], _: FuzzSeed) {
    var place = 8
    while place + 12 <= bytes.count {
      let length = bytes[place..<place + 4].reduce(0) { $0 << 8 | Int($1) }
      guard length <= bytes.count - place - 12 else { return }
      let sum = crc32(bytes[(place + 4)..<(place + 8 + length)])
      put(sum, at: place + 8 + length, isBigEndian: true, &bytes)
      place += 12 + length
    }
  }

  /// The sums in the central directory of a zip file without comment.
  static func zip(_ bytes: inout [UInt8], _: FuzzSeed) {
    let end = bytes.count - 22
    guard let count = number(bytes, end + 10, 2), var place = number(bytes, end + 16, 4) else { return }
    for _ in 0..<count {
      guard let size = number(bytes, place + 20, 4), let nameSize = number(bytes, place + 28, 2),
        let extraSize = number(bytes, place + 30, 2), let commentSize = number(bytes, place + 32, 2),
        let header = number(bytes, place + 42, 4), let ownName = number(bytes, header + 26, 2),
        let ownExtra = number(bytes, header + 28, 2)
      else { return }
      let start = header + 30 + ownName + ownExtra
      if start <= bytes.count, size <= bytes.count - start {
        put(crc32(bytes[start..<start + size]), at: place + 16, isBigEndian: false, &bytes)
      }
      place += 46 + nameSize + extraSize + commentSize
    }
  }

  // MARK: XXH3

  /// The hash that ends a checkpoint's manifest; shards are left alone.
  static func manifest(_ bytes: inout [UInt8], _ seed: FuzzSeed) {
    guard seed.file.hasSuffix("manifest.json") else { return }
    let key = Array("  \"manifest_hash\": \"".utf8)
    guard let found = Data(bytes).range(of: Data(key), options: .backwards) else { return }
    let body = Array(bytes[..<found.lowerBound])
    bytes = body + Array("  \"manifest_hash\": \"\(body.withUnsafeBytes { Hash128(of: $0) })\"\n}\n".utf8)
  }

  /// The hash at the end of an entry's first page.
  static func featureEntry(_ bytes: inout [UInt8], _: FuzzSeed) {
    guard bytes.count >= 4096 else { return }
    let hash = bytes[..<4080].withUnsafeBytes { Hash128(of: $0) }
    let halves = [hash.high, hash.low].flatMap { half in (0..<8).map { UInt8(truncatingIfNeeded: half >> (8 * $0)) } }
    bytes.replaceSubrange(4080..<4096, with: halves)
  }

  /// The hash before each line of an evaluation's journal.
  static func journal(_ bytes: inout [UInt8], _: FuzzSeed) {
    let lines = bytes.split(separator: UInt8(ascii: "\n")).map { line -> [UInt8] in
      let start = line.firstIndex(of: UInt8(ascii: " ")).map { $0 + 1 } ?? line.startIndex
      let text = String(decoding: line[start...], as: UTF8.self)
      var stream = HashStream()
      stream.append(text: text)
      return Array("\(stream.hash) \(text)".utf8)
    }
    bytes = Array(lines.joined(separator: [UInt8(ascii: "\n")]))
  }
}
