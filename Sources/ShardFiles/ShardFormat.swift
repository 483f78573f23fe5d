/// Constants of the format that docs/checkpoint-format.md describes.
package enum ShardFormat {
  /// Elements of a frame, at most; bounds the memory of readers and writers.
  package static let largestFrame = 1 << 20
  /// Bytes of an element.
  static let elementSize = 4
  /// What a shard begins with: a skippable frame in the sense of zstd that holds "SKTS" and the version, so that
  /// zstd's own tools can read the file.
  package static let header: [UInt8] =
    littleEndian(0x184D_2A53) + littleEndian(8) + Array("SKTS".utf8) + littleEndian(1)

  private static func littleEndian(_ number: UInt32) -> [UInt8] { withUnsafeBytes(of: number.littleEndian, Array.init) }
}

/// How the 32-bit words of a section become bytes, before compression.
public enum ShardEncoding: String, Sendable, CaseIterable {
  /// Byte 0 (the lowest) of all words, then byte 1 of all, byte 2, byte 3.
  case planes
  /// As `planes`, after each word was replaced by its zigzag integer difference to the base value's bits, both in the
  /// order of floats.
  case differencePlanes = "difference-planes"
}

/// A compressed piece of a section.
public struct ShardFrame: Sendable, Equatable {
  /// Where it begins in the file.
  public var offset: Int
  /// Its bytes in the file.
  public var byteCount: Int
  /// Its elements, at most 2^20.
  public var count: Int

  /// A frame at a place of a file.
  public init(offset: Int, byteCount: Int, count: Int) {
    self.offset = offset
    self.byteCount = byteCount
    self.count = count
  }
}

/// Consecutive elements of one named flat vector, held by one shard.
public struct ShardSection: Sendable, Equatable {
  /// Which vector: "parameters", "momentum"...
  public var name: String
  /// First element in the vector.
  public var start: Int
  /// Elements.
  public var count: Int
  /// How they are written.
  public var encoding: ShardEncoding
  /// The pieces, in order.
  public var frames: [ShardFrame]

  /// A section of `count` elements from `start` on.
  public init(name: String, start: Int, count: Int, encoding: ShardEncoding, frames: [ShardFrame]) {
    self.name = name
    self.start = start
    self.count = count
    self.encoding = encoding
    self.frames = frames
  }

  /// Elements in the vector; call it on a checked section only.
  public var range: Range<Int> { start..<start + count }
}

/// What a shard file must hold; the manifest keeps it.
public struct ShardDescription: Sendable, Equatable {
  /// Size of the file.
  public var byteCount: Int
  /// XXH3 of the whole file.
  public var hash: Hash128
  /// What it holds, in file order.
  public var sections: [ShardSection]

  /// A description of a file.
  public init(byteCount: Int, hash: Hash128, sections: [ShardSection]) {
    self.byteCount = byteCount
    self.hash = hash
    self.sections = sections
  }
}
