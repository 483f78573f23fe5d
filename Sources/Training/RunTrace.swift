import Collectives
import Diagnostics
import Files
import Foundation
import Reporting

/// The trace of a run: a file of each rank while it lasts, one file of all ranks at its end.
///
/// All methods but `judge` are collective.
struct RunTrace {
  /// Where events are recorded.
  let log: TraceLog
  private let file: URL
  private let collectives: any Collectives
  /// What rank 0's clock said when the files were opened, and how the others differed then.
  private var start: (time: Int64, offsets: [ClockOffset])?

  /// A trace that ends up in `file`.
  init(_ log: TraceLog, file: URL, _ collectives: any Collectives) {
    self.log = log
    self.file = file
    self.collectives = collectives
  }

  /// This rank's file.
  private var part: URL { URL(fileURLWithPath: file.path + String(format: ".rank-%05d", collectives.rank)) }

  /// Throws where there is no folder for the file, which may be the run's own, made later.
  func judge(runDirectory: URL) throws {
    let folder = file.deletingLastPathComponent().standardizedFileURL.path
    var isFolder: ObjCBool = false
    if folder == runDirectory.standardizedFileURL.path { return }
    guard FileManager.default.fileExists(atPath: folder, isDirectory: &isFolder), isFolder.boolValue else {
      throw Failure(
        .cannotCreate, at: file.path, "the trace cannot be created: \(folder) is not a folder",
        remedy: "create the folder first, on every host, or give another --trace")
    }
  }

  /// Moves aside what an earlier start left, opens this rank's file, and compares clocks.
  mutating func open() throws {
    // Where hosts share the folder, the first rank finds everything and those of other hosts nothing.
    try collectives.agree { if collectives.rank == 0 { try moveAside() } }
    try collectives.agree { if collectives.nodeRank == 0 { try moveAside() } }
    try collectives.agree {
      try log.open(part, title: "rank \(collectives.rank) of \(collectives.worldSize) (\(collectives.hostName))")
    }
    start = (try agreedTime(), try offsets())
  }

  /// Writes the trace of all ranks, in place of their files.
  ///
  /// All files pass through every rank, a piece at a time.
  func finish(version: String) throws {
    guard let start else { return }
    let dropped = try collectives.agree { try log.close() }
    let end = (time: try agreedTime(), offsets: try offsets())
    let shift = try clock(from: start, to: end)
    let other = try information(version, dropped: dropped, start.offsets, end.offsets)
    let outcome = Result { try merge(shift, other) }
    try collectives.agree {
      try outcome.get()
      try FileManager.default.removeItem(at: part)
    }
  }
}

// MARK: - One clock

extension RunTrace {
  private typealias Moment = (time: Int64, offsets: [ClockOffset])

  /// Rank 0's clock, on all ranks.
  private func agreedTime() throws -> Int64 {
    var time = TraceTime.now.nanoseconds
    try withUnsafeMutableBytes(of: &time) { try collectives.broadcast($0, root: 0) }
    return time
  }

  private func offsets() throws -> [ClockOffset] { try collectives.clockOffsets { TraceTime.now.nanoseconds } }

  /// What to take from a rank's time: its offset, which drifts from the start to the end, and where the trace begins.
  private func clock(from start: Moment, to end: Moment) throws -> (_ rank: Int, _ time: Int64) -> Int64 {
    let own = log.created.nanoseconds - start.offsets[collectives.rank].nanoseconds
    let zero = try collectives.allReduce(own, .min)
    return { rank, time in
      let (first, last) = (start.offsets[rank].nanoseconds, end.offsets[rank].nanoseconds)
      let slope = end.time > start.time ? Double(last - first) / Double(end.time - start.time) : 0
      return zero + first + Int64((slope * Double(time - first - start.time)).rounded())
    }
  }

  private func information(
    _ version: String, dropped: Int, _ start: [ClockOffset], _ end: [ClockOffset]
  ) throws -> MetricRecord {
    let clocks = zip(start, end).enumerated().map { rank, pair -> MetricValue in
      .object([
        "rank": .integer(rank), "offset_us": .double(Double(pair.0.nanoseconds) / 1e3),
        "drift_us": .double(Double(pair.1.nanoseconds - pair.0.nanoseconds) / 1e3),
        "uncertainty_us": .double(Double(max(pair.0.uncertainty, pair.1.uncertainty)) / 1e3),
      ])
    }
    return [
      "program": .text("skiptune \(version)"), "ranks": .integer(collectives.worldSize),
      "dropped_events": .integer(Int(try collectives.allReduce(Int64(dropped), .sum))), "clocks": .list(clocks),
    ]
  }
}

// MARK: - One file

extension RunTrace {
  /// Rank 0 writes what all ranks pass on.
  ///
  /// Where it cannot, it goes on taking what the others send, and fails at the end.
  private func merge(_ shift: (_ rank: Int, _ time: Int64) -> Int64, _ other: MetricRecord) throws {
    guard collectives.rank == 0 else { return try passOn { _, _ in } }
    var isPassed = false
    do {
      try AtomicFile.replace(file) { descriptor in
        isPassed = true
        var trouble: (any Error)?
        func write(_ text: String, to descriptor: borrowing Descriptor) {
          guard trouble == nil else { return }
          do { try Array(text.utf8).withUnsafeBytes { try descriptor.write($0) } } catch { trouble = error }
        }
        var merge = TraceMerge()
        var current = 0
        write(merge.header, to: descriptor)
        try passOn { rank, bytes in
          if rank != current { merge.endFile() }
          current = rank
          write(merge.events(bytes) { shift(rank, $0) }, to: descriptor)
        }
        write(merge.footer(other), to: descriptor)
        if let trouble { throw trouble }
      }
    } catch {
      if !isPassed { try passOn { _, _ in } }
      throw error
    }
  }

  /// Bytes that are passed on at a time.
  private static let pieceSize = 1 << 20

  /// Hands every rank's file to `take`, on all ranks, piece by piece in order of rank.
  private func passOn(_ take: (_ rank: Int, _ bytes: [UInt8]) -> Void) throws {
    let own = Result { try Descriptor.reading(part.path).size() }
    var sizes = [Int64](repeating: 0, count: collectives.worldSize)
    sizes[collectives.rank] = Int64((try? own.get()) ?? 0)
    try collectives.allReduce(&sizes, .sum)
    var trouble: (any Error)?
    for (rank, size) in sizes.enumerated() {
      for start in stride(from: 0, to: Int(size), by: Self.pieceSize) {
        // Where a file can no longer be read there are empty lines in its place.
        var piece = [UInt8](repeating: UInt8(ascii: "\n"), count: min(Self.pieceSize, Int(size) - start))
        if rank == collectives.rank {
          do { try read(into: &piece, at: start) } catch { trouble = error }
        }
        try piece.withUnsafeMutableBytes { try collectives.broadcast($0, root: rank) }
        take(rank, piece)
      }
    }
    _ = try own.get()
    if let trouble { throw trouble }
  }

  private func read(into piece: inout [UInt8], at start: Int) throws {
    let file = try Descriptor.reading(part.path)
    try piece.withUnsafeMutableBytes { try file.read(into: $0, at: start) }
  }
}

// MARK: - Earlier traces

extension RunTrace {
  /// Renames the trace and ranks' files that are there: `trace.json` becomes `trace.previous-1.json`.
  private func moveAside() throws {
    let folder = file.deletingLastPathComponent()
    let name = file.lastPathComponent
    let there = try FileManager.default.contentsOfDirectory(atPath: folder.path)
    let left = there.filter { $0 == name || $0.hasPrefix("\(name).rank-") }
    guard !left.isEmpty else { return }
    let number = (1...).first { number in !there.contains { $0.hasPrefix(aside(number)) } }!
    for old in left {
      let target = folder.appendingPathComponent(aside(number) + old.dropFirst(name.count))
      try FileManager.default.moveItem(at: folder.appendingPathComponent(old), to: target)
    }
  }

  private func aside(_ number: Int) -> String {
    let (stem, suffix) = (file.deletingPathExtension().lastPathComponent, file.pathExtension)
    return "\(stem).previous-\(number)" + (suffix.isEmpty ? "" : ".\(suffix)")
  }
}
