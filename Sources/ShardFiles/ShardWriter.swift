import CZstd
import Diagnostics
import Files
import Foundation
import Tensors

/// Elements of one flat vector to be written.
public struct ShardSource: Sendable {
  /// Which vector.
  public var name: String
  /// Where `values` begin in it.
  public var start: Int
  /// The elements; must not change while they are written.
  public var values: Tensor
  /// The whole vector before training, where there is such a thing.
  public var base: BaseValues?

  /// `values` are the elements of the vector `name` from `start` on.
  public init(_ name: String, start: Int, _ values: Tensor, base: BaseValues? = nil) {
    precondition(start >= 0, "a section starts at \(start)")
    self.name = name
    self.start = start
    self.values = values
    self.base = base
  }
}

/// How shards are compressed.
public struct ShardOptions: Sendable, Equatable {
  /// Levels of zstd that make sense here.
  public static let levels = 1...19
  /// Level of zstd; higher ones are slower and, on trained weights, hardly smaller.
  public var level: Int
  /// Threads that compress, each with about 17 MB of memory; the file does not depend on their number.
  public var threads: Int
  /// Elements of a frame; smaller only in tests.
  package var frameCount = ShardFormat.largestFrame

  /// The given level and threads; traps where there are none such.
  public init(level: Int = 1, threads: Int = 1) {
    precondition(Self.levels.contains(level) && threads > 0, "zstd level \(level) on \(threads) threads")
    self.level = level
    self.threads = threads
  }
}

/// Writes shard files, frame by frame.
public enum ShardWriter {
  /// Writes a new file and waits until it is on the disk.
  ///
  /// Each vector is written in the encoding that makes its first frame smaller. Throws `Failure(.cannotCreate)` when the
  /// file cannot be created or is there already, `Failure(.inputOutput)` when writing fails, and what base values throw; an
  /// unfinished file may be left then.
  public static func write(
    _ sources: [ShardSource], to file: URL, options: ShardOptions = ShardOptions()
  ) throws -> ShardDescription {
    try write(sources, to: file, options: options, faults: .none)
  }

  package static func write(
    _ sources: [ShardSource], to file: URL, options: ShardOptions, faults: FaultPoints
  ) throws -> ShardDescription {
    try faults.before("create \(file.lastPathComponent)")
    let output = try Descriptor.creating(file.path, knownAs: file.path)
    let encoders = try (0..<options.threads).map { _ in try FrameEncoder(level: options.level) }
    var sink = ShardSink(name: file.lastPathComponent, faults)
    try ShardFormat.header.withUnsafeBytes { try sink.write($0, to: output) }
    var sections: [ShardSection] = []
    var encodings: [String: ShardEncoding] = [:]
    for source in sources {
      let encoding = try encodings[source.name] ?? smallerEncoding(of: source, options.frameCount, encoders[0])
      encodings[source.name] = encoding
      sections.append(try write(source, encoding, options.frameCount, encoders, &sink, output))
    }
    try faults.before("sync \(file.lastPathComponent)")
    try output.synchronize()
    try output.close()
    return ShardDescription(byteCount: sink.position, hash: sink.hash, sections: sections)
  }

  private static func write(
    _ source: ShardSource, _ encoding: ShardEncoding, _ frameCount: Int,
    _ encoders: [FrameEncoder], _ sink: inout ShardSink,
    _ output: borrowing Descriptor
  ) throws -> ShardSection {
    let count = source.values.count
    let parts = stride(from: 0, to: count, by: frameCount).map { $0..<min(count, $0 + frameCount) }
    var frames: [ShardFrame] = []
    for first in stride(from: 0, to: parts.count, by: encoders.count) {
      let batch = Array(parts[first..<min(first + encoders.count, parts.count)])
      for (part, bytes) in zip(batch, try encode(batch, of: source, encoding, encoders)) {
        frames.append(ShardFrame(offset: sink.position, byteCount: bytes.count, count: part.count))
        try sink.write(bytes, to: output)
      }
    }
    return ShardSection(
      name: source.name, start: source.start, count: count, encoding: encoding, frames: frames)
  }

  /// The encoding that makes the first frame smaller.
  private static func smallerEncoding(
    of source: ShardSource, _ frameCount: Int, _ encoder: FrameEncoder
  ) throws -> ShardEncoding {
    let first = 0..<min(source.values.count, frameCount)
    guard source.base != nil, !first.isEmpty else { return .planes }
    func size(_ encoding: ShardEncoding) throws -> Int {
      try encode(first, of: source, encoding, encoder).count
    }
    return try size(.differencePlanes) < size(.planes) ? .differencePlanes : .planes
  }

  private static func encode(
    _ part: Range<Int>, of source: ShardSource, _ encoding: ShardEncoding, _ encoder: FrameEncoder
  ) throws -> UnsafeRawBufferPointer {
    let range = source.start + part.lowerBound..<source.start + part.upperBound
    return try encoder.encode(source.values.pointer + part.lowerBound, range, encoding, base: source.base)
  }

  /// Encodes one frame per encoder, at the same time.
  private static func encode(
    _ parts: [Range<Int>], of source: ShardSource, _ encoding: ShardEncoding, _ encoders: [FrameEncoder]
  ) throws -> [UnsafeRawBufferPointer] {
    if parts.count == 1 { return [try encode(parts[0], of: source, encoding, encoders[0])] }
    var results = [Result<UnsafeRawBufferPointer, any Error>?](repeating: nil, count: parts.count)
    results.withUnsafeMutableBufferPointer { buffer in
      // Each iteration has an element and an encoder of its own.
      nonisolated(unsafe) let buffer = buffer
      DispatchQueue.concurrentPerform(iterations: parts.count) { index in
        buffer[index] = Result { try encode(parts[index], of: source, encoding, encoders[index]) }
      }
    }
    return try results.map { try $0!.get() }
  }
}

/// Counts and hashes what is written.
private struct ShardSink: ~Copyable {
  private(set) var position = 0
  private var stream = HashStream()
  private let name: String
  private let faults: FaultPoints

  init(name: String, _ faults: FaultPoints) {
    self.name = name
    self.faults = faults
  }

  var hash: Hash128 { stream.hash }

  mutating func write(_ bytes: UnsafeRawBufferPointer, to output: borrowing Descriptor) throws {
    try faults.before("write \(name)")
    try output.write(bytes)
    stream.append(bytes)
    position += bytes.count
  }
}
