import Diagnostics
import Files

/// Where the members of a zip file lie, by its central directory, with zip64; contents are not looked at.
///
/// Places and sizes are checked against the file before they are used. Members may be compressed, but only those that are
/// stored can be read. Source: PKWARE's APPNOTE.TXT, sections 4.3 to 4.5.
package struct ZipDirectory: Sendable {
  /// One file within the zip file.
  package struct Member: Sendable, Equatable {
    /// With slashes between folders.
    package let name: String
    /// Bytes of the zip file that are its content; nil where it is compressed or encrypted.
    package let range: Range<Int>?
    /// CRC-32 of its content.
    package let checksum: UInt32
  }

  /// All members by name.
  package private(set) var members: [String: Member] = [:]

  /// What zip files with members begin with.
  package static let magic: [UInt8] = [0x50, 0x4b, 0x03, 0x04]

  /// Reads the central directory of a file.
  ///
  /// Throws `.badData` where it is damaged or contradicts itself or the file, `.inputOutput` when reading fails.
  package init(of file: borrowing Descriptor) throws {
    do {
      try read(file)
    } catch let problem as ZipProblem {
      throw Failure(
        .badData, at: file.path, "the zip file cannot be read: \(problem.what)",
        remedy: "the file is damaged or incomplete; fetch it again")
    }
  }

  private mutating func read(_ file: borrowing Descriptor) throws {
    let place = try DirectoryPlace(of: file)
    let directory = try Record(of: file, at: place.range.lowerBound, count: place.range.count)
    var position = 0
    for _ in 0..<place.memberCount {
      let entry = try DirectoryEntry(directory, at: position)
      position += entry.byteCount
      let member = Member(
        name: entry.name, range: try entry.contentRange(in: file, before: place.range.lowerBound),
        checksum: entry.checksum)
      guard members.updateValue(member, forKey: entry.name) == nil else {
        throw ZipProblem("two members are called \(quoted(entry.name))")
      }
    }
  }
}

/// Why a zip file is refused.
struct ZipProblem: Error {
  let what: String

  init(_ what: String) { self.what = what }
}

/// Bytes of a zip file, with numbers in them; all little-endian.
struct Record {
  let bytes: [UInt8]

  /// Bytes that the file has.
  init(of file: borrowing Descriptor, at offset: Int, count: Int) throws {
    var bytes = [UInt8](repeating: 0, count: count)
    try bytes.withUnsafeMutableBytes { try file.read(into: $0, at: offset) }
    self.bytes = bytes
  }

  func number(at offset: Int, width: Int) throws -> UInt64 {
    guard offset >= 0, width <= bytes.count - offset else { throw ZipProblem("its directory ends too early") }
    return bytes[offset..<offset + width].reversed().reduce(0) { $0 << 8 | UInt64($1) }
  }

  /// A size or place, which no file has beyond `Int.max`.
  func size(at offset: Int, width: Int) throws -> Int {
    guard let size = Int(exactly: try number(at: offset, width: width)) else {
      throw ZipProblem("a size or place of 2^63 bytes or more")
    }
    return size
  }

  func text(at offset: Int, count: Int) throws -> String {
    guard offset >= 0, count <= bytes.count - offset else { throw ZipProblem("its directory ends too early") }
    return String(decoding: bytes[offset..<offset + count], as: UTF8.self)
  }
}

/// Where the central directory is.
private struct DirectoryPlace {
  let range: Range<Int>
  let memberCount: Int

  private static let endSignature: UInt64 = 0x0605_4b50, endSize = 22
  private static let locatorSignature: UInt64 = 0x0706_4b50, locatorSize = 20
  private static let largeEndSignature: UInt64 = 0x0606_4b50, largeEndSize = 56
  private static let smallestEntry = 46
  /// Hundreds of thousands of members.
  private static let largest = 64 << 20

  init(of file: borrowing Descriptor) throws {
    let size = try file.size()
    let (end, endOffset) = try Self.end(of: file, size: size)
    var count = try end.size(at: 10, width: 2)
    var byteCount = try end.size(at: 12, width: 4)
    var offset = try end.size(at: 16, width: 4)
    if count == 0xffff || byteCount == 0xffff_ffff || offset == 0xffff_ffff {
      let large = try Self.largeEnd(of: file, before: endOffset)
      count = try large.size(at: 32, width: 8)
      byteCount = try large.size(at: 40, width: 8)
      offset = try large.size(at: 48, width: 8)
    }
    guard offset <= endOffset, byteCount <= endOffset - offset else {
      throw ZipProblem("its directory does not lie within it")
    }
    guard byteCount <= Self.largest else { throw ZipProblem("its directory has \(byteCount) bytes") }
    guard count <= byteCount / Self.smallestEntry else {
      throw ZipProblem("its directory is too small for \(count) members")
    }
    range = offset..<offset + byteCount
    memberCount = count
  }

  /// The record at the end of the file, which a comment of up to 65535 bytes may follow.
  private static func end(of file: borrowing Descriptor, size: Int) throws -> (Record, offset: Int) {
    guard size >= endSize else { throw ZipProblem("\(size) bytes are too few") }
    let tailSize = min(size, endSize + 0xffff)
    let tail = try Record(of: file, at: size - tailSize, count: tailSize)
    for position in stride(from: tailSize - endSize, through: 0, by: -1)
    where try tail.number(at: position, width: 4) == endSignature
      && position + endSize + tail.size(at: position + 20, width: 2) == tailSize
    {
      let offset = size - tailSize + position
      return (try Record(of: file, at: offset, count: endSize), offset)
    }
    throw ZipProblem("its directory is missing at the end")
  }

  /// The record of zip64 that holds what is too large for the other one.
  private static func largeEnd(of file: borrowing Descriptor, before end: Int) throws -> Record {
    let missing = ZipProblem("its zip64 directory is missing")
    guard end >= locatorSize else { throw missing }
    let locator = try Record(of: file, at: end - locatorSize, count: locatorSize)
    guard try locator.number(at: 0, width: 4) == locatorSignature else { throw missing }
    let offset = try locator.size(at: 8, width: 8)
    guard offset <= end - locatorSize, largeEndSize <= end - locatorSize - offset else { throw missing }
    let record = try Record(of: file, at: offset, count: largeEndSize)
    guard try record.number(at: 0, width: 4) == largeEndSignature else { throw missing }
    return record
  }
}

/// What the central directory says of one member.
private struct DirectoryEntry {
  let name: String
  let checksum: UInt32
  /// In the directory.
  let byteCount: Int
  private let isStored: Bool
  private let headerOffset: Int
  private let contentSize: Int

  private static let signature: UInt64 = 0x0201_4b50, fixedSize = 46
  private static let localSignature: UInt64 = 0x0403_4b50, localSize = 30
  private static let largeSizesTag = 1

  init(_ directory: Record, at position: Int) throws {
    guard try directory.number(at: position, width: 4) == Self.signature else {
      throw ZipProblem("its directory is damaged")
    }
    let isEncrypted = try directory.number(at: position + 8, width: 2) & 1 == 1
    let method = try directory.number(at: position + 10, width: 2)
    checksum = UInt32(try directory.number(at: position + 16, width: 4))
    let nameSize = try directory.size(at: position + 28, width: 2)
    let extraSize = try directory.size(at: position + 30, width: 2)
    let commentSize = try directory.size(at: position + 32, width: 2)
    name = try directory.text(at: position + Self.fixedSize, count: nameSize)
    byteCount = Self.fixedSize + nameSize + extraSize + commentSize
    guard byteCount <= directory.bytes.count - position else { throw ZipProblem("its directory ends too early") }
    let extra = position + Self.fixedSize + nameSize
    var large = try Self.largeSizes(directory, in: extra..<extra + extraSize)
    // Those that fit into 32 bits are left out there.
    func size(at offset: Int) throws -> Int {
      let small = try directory.size(at: position + offset, width: 4)
      guard small == 0xffff_ffff else { return small }
      guard let size = large.popFirst() else { throw ZipProblem("a size of zip64 is missing") }
      return size
    }
    contentSize = try size(at: 24)
    let storedSize = try size(at: 20)
    headerOffset = try size(at: 42)
    isStored = method == 0 && !isEncrypted
    guard !isStored || storedSize == contentSize else {
      throw ZipProblem("\(quoted(name)) has two different sizes")
    }
  }

  /// The numbers of the extra field of zip64, in its order.
  private static func largeSizes(_ directory: Record, in range: Range<Int>) throws -> ArraySlice<Int> {
    var position = range.lowerBound
    while range.upperBound - position >= 4 {
      let tag = try directory.size(at: position, width: 2)
      let size = try directory.size(at: position + 2, width: 2)
      position += 4
      guard size <= range.upperBound - position else { throw ZipProblem("an extra field ends too late") }
      if tag == largeSizesTag {
        return try (0..<size / 8).map { try directory.size(at: position + 8 * $0, width: 8) }[...]
      }
      position += size
    }
    return []
  }

  /// Where the content lies, which begins after a second header; nil where it could not be read.
  func contentRange(in file: borrowing Descriptor, before end: Int) throws -> Range<Int>? {
    guard isStored else { return nil }
    let outside = ZipProblem("\(quoted(name)) does not lie within it")
    guard headerOffset <= end, Self.localSize <= end - headerOffset else { throw outside }
    let header = try Record(of: file, at: headerOffset, count: Self.localSize)
    guard try header.number(at: 0, width: 4) == Self.localSignature else {
      throw ZipProblem("\(quoted(name)) is not where the directory says")
    }
    let start =
      headerOffset + Self.localSize + (try header.size(at: 26, width: 2)) + (try header.size(at: 28, width: 2))
    guard start <= end, contentSize <= end - start else { throw outside }
    return start..<start + contentSize
  }
}
