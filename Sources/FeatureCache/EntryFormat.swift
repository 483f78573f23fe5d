import Diagnostics
import Foundation
import ShardFiles

/// What an entry is for: whose features, and how many bytes each.
public struct EntryDescription: Sendable, Equatable {
  /// Hash of all that the features depend on.
  public var key: Hash128
  /// Images.
  public var count: Int
  /// Bytes of an image's features.
  public var bytesPerImage: Int
  /// What it is, for people; nothing depends on it.
  public var words: String

  /// A description of an entry.
  public init(key: Hash128, count: Int, bytesPerImage: Int, words: String) {
    self.key = key
    self.count = count
    self.bytesPerImage = bytesPerImage
    self.words = words
  }

  /// Bytes of the entry's file.
  public var fileSize: Int { dataStart + count * bytesPerImage }

  /// The name of its file: one entry, one name.
  var fileName: String { "\(key)\(EntryFormat.suffix)" }

  /// Where the record of an image's features lies, and where these do.
  func recordPosition(_ image: Int) -> Int { EntryFormat.headerSize + image * EntryFormat.recordSize }
  func position(_ image: Int) -> Int { dataStart + image * bytesPerImage }

  private var dataStart: Int { EntryFormat.tableEnd(count) ?? 0 }

  /// Whether two entries have the same place and shape; words aside.
  func fits(_ other: EntryDescription) -> Bool {
    key == other.key && count == other.count && bytesPerImage == other.bytesPerImage
  }
}

/// The layout of an entry's file: a page of header, a record for each image, then the features of all images, by index.
///
/// A record is a hash of 16 bytes, and the maker in 8; it is zero for an image that is not there yet. Numbers are
/// little-endian.
///
/// | bytes | what |
/// | --- | --- |
/// | 0..<16 | `skiptune.prefix` and a line feed |
/// | 16..<24 | version, bytes of the words, 4 bytes each |
/// | 24..<40 | images, bytes per image |
/// | 40..<56 | key, higher half first |
/// | 56..<4080 | the words in UTF-8, then zeros |
/// | 4080..<4096 | hash of what lies before |
enum EntryFormat {
  static let magic = Array("skiptune.prefix\n".utf8)
  static let version: UInt32 = 1
  static let suffix = ".features"
  static let headerSize = 4096
  static let recordSize = 24
  private static let wordsStart = 56, hashStart = 4080

  /// Where features begin: the end of the records, at a page; nil where it is no position in a file.
  static func tableEnd(_ count: Int) -> Int? {
    let (table, isTooLarge) = count.multipliedReportingOverflow(by: recordSize)
    guard count >= 0, !isTooLarge, table < Int.max - 3 * headerSize else { return nil }
    return (headerSize + table + headerSize - 1) / headerSize * headerSize
  }

  /// The header of an entry, its words cut to what there is room for.
  static func header(_ entry: EntryDescription) -> [UInt8] {
    let words = Array(entry.words.utf8.prefix(hashStart - wordsStart))
    var bytes = magic + littleEndian(version) + littleEndian(UInt32(words.count))
    bytes += littleEndian(UInt64(entry.count)) + littleEndian(UInt64(entry.bytesPerImage)) + encoded(entry.key) + words
    bytes += [UInt8](repeating: 0, count: hashStart - bytes.count)
    return bytes + encoded(bytes.withUnsafeBytes { Hash128(of: $0) })
  }

  /// What a header says; nil for anything but a whole one of this version, of an entry that fits in a file.
  static func read(_ header: [UInt8]) -> EntryDescription? {
    guard header.count == headerSize, header.starts(with: magic),
      decoded(header[hashStart...]) == header[..<hashStart].withUnsafeBytes({ Hash128(of: $0) }),
      number(header[16..<20]) == UInt64(version)
    else { return nil }
    let words = Int(number(header[20..<24]))
    guard words <= hashStart - wordsStart, let count = Int(exactly: number(header[24..<32])),
      let bytesPerImage = Int(exactly: number(header[32..<40])), let start = tableEnd(count), bytesPerImage > 0
    else { return nil }
    let (data, isTooLarge) = count.multipliedReportingOverflow(by: bytesPerImage)
    guard !isTooLarge, !start.addingReportingOverflow(data).overflow else { return nil }
    return EntryDescription(
      key: decoded(header[40..<56]), count: count, bytesPerImage: bytesPerImage,
      words: String(decoding: header[wordsStart..<wordsStart + words], as: UTF8.self))
  }

  /// A hash as bytes, the higher half first.
  static func encoded(_ hash: Hash128) -> [UInt8] { littleEndian(hash.high) + littleEndian(hash.low) }

  static func decoded(_ bytes: some Collection<UInt8>) -> Hash128 {
    Hash128(high: number(bytes.prefix(8)), low: number(bytes.dropFirst(8)))
  }

  static func littleEndian(_ value: some FixedWidthInteger) -> [UInt8] {
    withUnsafeBytes(of: value.littleEndian) { Array($0) }
  }

  static func number(_ bytes: some Collection<UInt8>) -> UInt64 {
    bytes.reversed().reduce(0) { $0 << 8 | UInt64($1) }
  }
}
