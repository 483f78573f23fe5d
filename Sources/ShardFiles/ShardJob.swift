import Diagnostics
import Files
import Foundation
import Synchronization
import Tensors

/// A shard file that is being written, by as many threads as `work` on it.
///
/// Each thread takes the next frame, encodes it, and writes it when its turn has come; so the file does not depend on their
/// number, and whoever needs the file can help those that began it. Memory is about 17 MB for each thread at work.
package final class ShardJob: @unchecked Sendable {  // See `condition` and `turn`.
  /// Elements of one frame.
  private struct Piece {
    let source: Int
    let range: Range<Int>
    /// Whether its size decides on the encoding of its vector.
    let decides: Bool
  }

  private let sources: [ShardSource]
  private let file: URL
  private let options: ShardOptions
  private let faults: FaultPoints
  private let afterwards: @Sendable () throws -> Void
  private let pieces: [Piece]

  // Guarded by `condition`.
  private let condition = NSCondition()
  private var claimed = 0
  /// The piece whose thread may write.
  private var turn = 0
  private var workers = 0
  private var isWriting = false
  private var encodings: [String: ShardEncoding]
  private var outcome: Result<ShardDescription, any Error>?

  // Touched by the thread alone whose turn it is.
  private var output: Descriptor?
  private var sink: ShardSink
  private var frames: [[ShardFrame]]

  private let finished = Atomic<Bool>(false)

  /// A job that nobody has begun.
  ///
  /// `afterwards` is called once the file is on the disk, and is a part of the job.
  package init(
    _ sources: [ShardSource], to file: URL, options: ShardOptions, faults: FaultPoints,
    afterwards: @escaping @Sendable () throws -> Void = {}
  ) {
    self.sources = sources
    self.file = file
    self.options = options
    self.faults = faults
    self.afterwards = afterwards
    var decided = Set(sources.filter { $0.base == nil }.map(\.name))
    pieces = sources.enumerated().flatMap { index, source in
      let count = source.values.count
      return stride(from: 0, to: count, by: options.frameCount).map {
        Piece(
          source: index, range: $0..<min(count, $0 + options.frameCount), decides: decided.insert(source.name).inserted)
      }
    }
    encodings = Dictionary(sources.filter { $0.base == nil }.map { ($0.name, .planes) }) { first, _ in first }
    frames = sources.map { _ in [] }
    sink = ShardSink(name: file.lastPathComponent, faults)
  }

  /// Has `options.threads` background threads do the work.
  package func start() {
    for _ in 0..<options.threads { BackgroundThread.start { self.work() } }
  }

  /// Encodes frames on this thread until a share of all has been begun, for a caller that cannot leave it all to threads
  /// which have no time.
  ///
  /// Does nothing while another thread writes: where the disk is what takes time, helping is of no use.
  package func help(toShare share: Double) {
    work(upTo: min(pieces.count, Int((share * Double(pieces.count)).rounded(.up))), unlessWriting: true)
  }

  /// Whether the outcome is known and no thread is at work any more; never blocks.
  package var isFinished: Bool { finished.load(ordering: .acquiring) }

  /// Does what is left with the threads that are at work, waits for them, and returns the outcome.
  ///
  /// A failure leaves an unfinished file. `stillWaiting` is called every so many seconds that the disk does not answer.
  package func finish(
    everySeconds interval: Double = 60, stillWaiting: () -> Void = {}
  ) -> Result<ShardDescription, any Error> {
    work()
    return condition.withLock {
      while !isFinished {
        if !condition.wait(until: Date(timeIntervalSinceNow: interval)) { stillWaiting() }
      }
      return outcome!
    }
  }
}

// MARK: - A worker

extension ShardJob {
  /// Takes frames until none is left.
  package func work() { work(upTo: pieces.count) }

  private func work(upTo last: Int, unlessWriting: Bool = false) {
    let isBeginning = condition.withLock {
      let hasWork =
        outcome == nil && (claimed < last || pieces.isEmpty && workers == 0) && !(unlessWriting && isWriting)
      if hasWork { workers += 1 }
      return hasWork
    }
    guard isBeginning else { return }
    do {
      try takePieces(upTo: last)
    } catch {
      end(.failure(error))
    }
    condition.withLock {
      workers -= 1
      if workers == 0, outcome != nil { finished.store(true, ordering: .releasing) }
      condition.broadcast()
    }
  }

  private func takePieces(upTo last: Int) throws {
    if pieces.isEmpty {
      try open()
      return end(.success(try close()))
    }
    let encoder = try FrameEncoder(level: options.level)
    while let index = claim(upTo: last) {
      let piece = pieces[index]
      guard let encoding = try encoding(for: piece, encoder) else { return }
      try write(try encode(piece, encoding, encoder), index)
    }
  }

  /// The next frame to be encoded.
  private func claim(upTo end: Int) -> Int? {
    condition.withLock {
      guard outcome == nil, claimed < end else { return nil }
      claimed += 1
      return claimed - 1
    }
  }

  /// The encoding of a vector, which the thread that has its first frame decides on; nil where the job has failed.
  private func encoding(for piece: Piece, _ encoder: FrameEncoder) throws -> ShardEncoding? {
    let name = sources[piece.source].name
    if piece.decides {
      let sizes = try [ShardEncoding.planes, .differencePlanes].map { try encode(piece, $0, encoder).count }
      condition.withLock {
        encodings[name] = sizes[1] < sizes[0] ? .differencePlanes : .planes
        condition.broadcast()
      }
    }
    return condition.withLock {
      while encodings[name] == nil, outcome == nil { condition.wait() }
      return outcome == nil ? encodings[name] : nil
    }
  }

  private func encode(
    _ piece: Piece, _ encoding: ShardEncoding, _ encoder: FrameEncoder
  ) throws -> UnsafeRawBufferPointer {
    let source = sources[piece.source]
    let range = source.start + piece.range.lowerBound..<source.start + piece.range.upperBound
    return try encoder.encode(source.values.pointer + piece.range.lowerBound, range, encoding, base: source.base)
  }

  /// Writes a frame after those before it, and after the last one ends the job.
  private func write(_ bytes: UnsafeRawBufferPointer, _ index: Int) throws {
    let isMyTurn = condition.withLock {
      while turn != index, outcome == nil { condition.wait() }
      isWriting = outcome == nil
      return isWriting
    }
    guard isMyTurn else { return }
    if index == 0 { try open() }
    let piece = pieces[index]
    frames[piece.source].append(
      ShardFrame(offset: sink.position, byteCount: bytes.count, count: piece.range.count))
    try append(bytes)
    if index == pieces.count - 1 { return end(.success(try close())) }
    condition.withLock {
      turn += 1
      isWriting = false
      condition.broadcast()
    }
  }

  /// Lets all threads know; the first outcome counts.
  private func end(_ outcome: Result<ShardDescription, any Error>) {
    condition.withLock {
      self.outcome = self.outcome ?? outcome
      condition.broadcast()
    }
  }
}

// MARK: - The file

extension ShardJob {
  private func open() throws {
    try faults.before("create \(file.lastPathComponent)")
    output = try Descriptor.creating(file.path, knownAs: file.path)
    try ShardFormat.header.withUnsafeBytes { try append($0) }
  }

  private func append(_ bytes: UnsafeRawBufferPointer) throws {
    // What throws here closes the file.
    let descriptor = output.take()!
    try sink.write(bytes, to: descriptor)
    output = consume descriptor
  }

  private func close() throws -> ShardDescription {
    let descriptor = output.take()!
    try faults.before("sync \(file.lastPathComponent)")
    try descriptor.synchronize()
    try descriptor.close()
    try afterwards()
    let sections = sources.indices.map { index in
      ShardSection(
        name: sources[index].name, start: sources[index].start, count: sources[index].values.count,
        encoding: encodings[sources[index].name] ?? .planes, frames: frames[index])
    }
    return ShardDescription(byteCount: sink.position, hash: sink.hash, sections: sections)
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
