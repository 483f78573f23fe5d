import Diagnostics
import Foundation
import ShardFiles
import TestSupport
import Testing

@testable import FeatureCache

/// Entries: what is written is read, and what is damaged is known.
@Suite struct FeatureEntryTests {
  private let folder: ScratchFolder

  init() throws { folder = try ScratchFolder() }

  static func description(_ key: UInt64 = 1, count: Int = 5, bytes: Int = 96) -> EntryDescription {
    EntryDescription(key: Hash128(high: 7, low: key), count: count, bytesPerImage: bytes, words: "entry \(key)")
  }

  static func features(_ image: Int, bytes: Int = 96) -> [UInt8] { (0..<bytes).map { UInt8(($0 * 7 + image) % 251) } }

  static func read(_ entry: FeatureEntry, _ image: Int) throws -> (FeatureEntry.Content, [UInt8]) {
    var bytes = [UInt8](repeating: 0, count: entry.description.bytesPerImage)
    let content = try bytes.withUnsafeMutableBytes { try entry.read(image, into: $0) }
    return (content, bytes)
  }

  static func write(_ entry: FeatureEntry, _ image: Int) throws {
    try features(image, bytes: entry.description.bytesPerImage).withUnsafeBytes { try entry.write(image, $0, maker: 5) }
  }

  private var path: String { folder.file("entry").path }

  @Test func whatIsWrittenIsReadByAnother() throws {
    let writer = try FeatureEntry.create(Self.description(), at: path)
    for image in [0, 4, 2] { try Self.write(writer, image) }
    let reader = try #require(try FeatureEntry.open(Self.description(), at: path))
    for image in 0..<5 {
      let (content, bytes) = try Self.read(reader, image)
      #expect(content == (image % 2 == 0 ? .whole(maker: 5) : .absent))
      if image % 2 == 0 { #expect(bytes == Self.features(image)) }
      #expect(reader.maker(of: image) == (image % 2 == 0 ? 5 : nil))
    }
    #expect(try reader.presentCount() == 3)
    // Written once more, by two at a time: the same bytes.
    try Self.write(reader, 2)
    try Self.write(writer, 1)
    #expect(try Self.read(reader, 1).1 == Self.features(1))
  }

  @Test func anyFlippedByteIsKnown() throws {
    let description = Self.description(count: 2)
    let writer = try FeatureEntry.create(description, at: path)
    for image in 0..<2 { try Self.write(writer, image) }
    let whole = try Data(contentsOf: URL(fileURLWithPath: path))
    #expect(whole.count == description.fileSize)
    for position in Array(0..<4096).filter({ $0 % 5 == 0 || $0 < 60 || $0 > 4070 }) {
      try flip(position, of: whole)
      #expect(throws: Failure.self, "byte \(position)") { try FeatureEntry.open(description, at: path) }
    }
    for position in [4096, 4111, 4112, 4119, 4120, 4143] + Array(8192..<whole.count) {
      try flip(position, of: whole)
      let entry = try #require(try FeatureEntry.open(description, at: path))
      let image = position < 8192 ? (position - 4096) / 24 : (position - 8192) / 96
      #expect(try Self.read(entry, image).0 == .damaged, "byte \(position)")
      #expect(try Self.read(entry, 1 - image).0 == .whole(maker: 5))
    }
  }

  private func flip(_ position: Int, of whole: Data) throws {
    var bytes = whole
    bytes[position] ^= 0x10
    try bytes.write(to: URL(fileURLWithPath: path))
  }

  @Test func featuresOfAnotherImageAreDamage() throws {
    let description = Self.description(count: 2)
    for image in 0..<2 {
      try Self.write(
        FeatureEntry.open(description, at: path) ?? FeatureEntry.create(description, at: path), image)
    }
    var bytes = try Data(contentsOf: URL(fileURLWithPath: path))
    bytes.replaceSubrange(4096..<4120, with: Data(bytes[4120..<4144]))
    bytes.replaceSubrange(8192..<8288, with: Data(bytes[8288..<8384]))
    try bytes.write(to: URL(fileURLWithPath: path))
    #expect(try Self.read(#require(try FeatureEntry.open(description, at: path)), 0).0 == .damaged)
  }

  @Test func otherShapesAndCutFilesAreRefused() throws {
    let description = Self.description()
    _ = try FeatureEntry.create(description, at: path)
    for other in [Self.description(2), Self.description(count: 4), Self.description(bytes: 95)] {
      #expect(throws: Failure.self) { try FeatureEntry.open(other, at: path) }
    }
    var words = description
    words.words = "called otherwise"
    #expect(try FeatureEntry.open(words, at: path) != nil)
    let whole = try Data(contentsOf: URL(fileURLWithPath: path))
    for size in [0, 1, 4095, 4096, 8192, whole.count - 1] {
      try whole.prefix(size).write(to: URL(fileURLWithPath: path))
      #expect(throws: Failure.self, "\(size) bytes") { try FeatureEntry.open(description, at: path) }
    }
    try (whole + Data([0])).write(to: URL(fileURLWithPath: path))
    #expect(throws: Failure.self) { try FeatureEntry.open(description, at: path) }
    #expect(try FeatureEntry.open(description, at: folder.file("nothing").path) == nil)
  }

  /// A header that is whole but says what no file can be.
  @Test func sizesOfAHeaderAreChecked() {
    for (count, bytes) in [(Int.max, 1), (1, Int.max), (1 << 40, 1 << 40), (0, 0), (Int.max / 16, 1)] {
      let header = EntryFormat.header(Self.description(count: count, bytes: bytes))
      #expect(EntryFormat.read(header) == nil, "\(count) images of \(bytes) bytes")
    }
    #expect(EntryFormat.read(EntryFormat.header(Self.description())) == Self.description())
    var long = Self.description()
    long.words = String(repeating: "w", count: 10_000)
    #expect(EntryFormat.read(EntryFormat.header(long))?.words.count == 4080 - 56)
  }
}
