import Diagnostics
import Files
import Foundation

/// Reads a shard file that is untrusted.
///
/// Nothing is allocated by what a file or its description promises: memory is bounded by the largest frame.
public final class ShardReader: Sendable {
  /// What the file must hold.
  public let expected: ShardDescription
  private let file: Descriptor

  /// Opens a file and compares size and header.
  ///
  /// Throws `Failure(.missingInput)` where there is none, `.badData` where it cannot be what is expected.
  public init(_ url: URL, expecting description: ShardDescription) throws {
    try description.check(at: url.path)
    expected = description
    file = try Descriptor.reading(url.path, what: "the shard", remedy: Self.remedy)
    let size = try file.size()
    guard size == description.byteCount else {
      throw failure("the shard has \(size) bytes instead of \(description.byteCount)")
    }
    var header = [UInt8](repeating: 0, count: ShardFormat.header.count)
    try header.withUnsafeMutableBytes { try file.read(into: $0, at: 0) }
    guard header == ShardFormat.header else { throw failure("the file does not begin as a shard of version 1") }
  }

  /// Reads the whole file and compares its hash.
  ///
  /// Throws `Failure(.badData)`.
  public func verifyHash() throws {
    let piece = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 20, alignment: 64)
    defer { piece.deallocate() }
    var stream = HashStream()
    for offset in stride(from: 0, to: expected.byteCount, by: piece.count) {
      let part = UnsafeMutableRawBufferPointer(rebasing: piece[..<min(piece.count, expected.byteCount - offset)])
      try file.read(into: part, at: offset)
      stream.append(UnsafeRawBufferPointer(part))
    }
    guard stream.hash == expected.hash else {
      throw failure(
        "the shard is damaged or belongs to another checkpoint: its hash is \(stream.hash) instead of \(expected.hash)")
    }
  }

  /// Decompresses every frame, which compares their checksums.
  ///
  /// Throws `Failure(.badData)`.
  public func verifyFrames() throws {
    let decoder = try makeDecoder()
    for frame in expected.sections.flatMap(\.frames) { try load(frame, by: decoder) }
  }

  /// Copies those elements of a range of a vector that this shard holds to their places in `destination`, whose first
  /// element is the range's first.
  ///
  /// Returns how many they are. `base` is needed where they are stored as differences; it may read from the destination,
  /// where each element is written after its base value was read. Throws `Failure(.badData)` where a
  /// frame is damaged.
  @discardableResult
  public func read(
    _ name: String, _ range: Range<Int>, into destination: UnsafeMutableBufferPointer<Float>, base: BaseValues? = nil
  ) throws -> Int {
    try ShardCursor(self).read(name, range, into: destination, base: base)
  }

  /// As `read`, by a decoder of this file.
  fileprivate func read(
    _ name: String, _ range: Range<Int>, into destination: UnsafeMutableBufferPointer<Float>, base: BaseValues?,
    by decoder: FrameDecoder
  ) throws -> Int {
    precondition(destination.count == range.count, "\(destination.count) places for \(range.count) elements")
    let sections = expected.sections.filter { $0.name == name && !$0.range.clamped(to: range).isEmpty }
    guard !sections.isEmpty, let start = destination.baseAddress else { return 0 }
    for section in sections {
      var first = section.start
      for frame in section.frames {
        let wanted = (first..<first + frame.count).clamped(to: range)
        if !wanted.isEmpty {
          try load(frame, by: decoder)
          let part = wanted.lowerBound - first..<wanted.upperBound - first
          try decoder.copy(
            part, of: frame, wanted, section.encoding, base: base,
            to: start + (wanted.lowerBound - range.lowerBound))
        }
        first += frame.count
      }
    }
    return sections.reduce(0) { $0 + $1.range.clamped(to: range).count }
  }

  private func load(_ frame: ShardFrame, by decoder: FrameDecoder) throws {
    guard decoder.held != frame.offset else { return }
    try file.read(into: decoder.input(frame), at: frame.offset)
    try decoder.decompress(frame)
  }

  fileprivate func makeDecoder() throws -> FrameDecoder { try FrameDecoder(place: file.path) }

  private static let remedy = "use another checkpoint"

  private func failure(_ problem: String) -> Failure {
    Failure(.badData, at: file.path, problem, remedy: Self.remedy)
  }
}

/// Reads a shard again and again and keeps the frame that it read last: ranges in ascending order cost each frame once.
///
/// Takes about 17 MB. Use it from one thread at a time.
public final class ShardCursor {
  private let shard: ShardReader
  private let decoder: FrameDecoder

  /// A cursor that has read nothing yet.
  public init(_ shard: ShardReader) throws {
    self.shard = shard
    decoder = try shard.makeDecoder()
  }

  /// As `ShardReader.read`.
  @discardableResult
  public func read(
    _ name: String, _ range: Range<Int>, into destination: UnsafeMutableBufferPointer<Float>, base: BaseValues? = nil
  ) throws -> Int {
    try shard.read(name, range, into: destination, base: base, by: decoder)
  }
}
