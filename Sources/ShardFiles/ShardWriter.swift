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
  /// Each section is written in the encoding that makes its first frame smaller. Throws `Failure(.cannotCreate)` when the
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
    let job = ShardJob(sources, to: file, options: options, faults: faults)
    for _ in 1..<options.threads { Thread.detachNewThread { job.work() } }
    return try job.finish().get()
  }
}
