import Diagnostics
import Files
import Foundation
import Reporting

/// What happens to trials, line by line; each holder has a file of its own, and all of them together are the journal.
struct SweepEvent: Codable, Equatable, Sendable {
  /// What happened.
  enum Kind: String, Codable, Sendable {
    case claimed
    case tookOver = "took_over"
    case finished, failed, interrupted
    /// A trial was judged at a rung; `goesOn` says how.
    case judged
    /// A holder was taken for dead while it worked; what it found is dropped.
    case lost
    /// A trial that was stopped at a rung goes on, and is judged no more.
    case revived
  }

  var event: Kind
  var trial: String
  var time = SharedFolder.time
  /// Who wrote it.
  var holder: String
  /// From whom a trial was taken over.
  var from: String?
  /// Of a rung.
  var epoch: Int?
  /// The sweep's metric there; nil where it is not known.
  var value: Double?
  var goesOn: Bool?
  /// Why it failed, and the exit status that goes with it.
  var problem: String?
  var status: Int32?
}

/// Appends to the journal of a sweep.
final class SweepJournal: Sendable {
  private static let largest = 1 << 30
  private let file: LineFile
  private let holder: String

  /// A new file for a holder.
  init(in sweep: URL, holder: String) throws {
    let folder = sweep.appending(path: "journal")
    try SharedFolder.create(folder)
    file = try LineFile(appendingTo: folder.appending(path: "\(holder).jsonl"))
    self.holder = holder
  }

  /// Appends an event, which is on the disk when this returns.
  ///
  /// Throws `Failure(.inputOutput)`.
  func append(_ kind: SweepEvent.Kind, _ trial: String, _ fill: (inout SweepEvent) -> Void = { _ in }) throws {
    var event = SweepEvent(event: kind, trial: trial, holder: holder)
    fill(&event)
    try file.append(String(decoding: try ReportJSON.line(event), as: UTF8.self))
    try file.synchronize()
  }

  /// All events of all holders, in order of time, and for each holder as it wrote them.
  ///
  /// A line that cannot be read counts for nothing: writers may have been killed within one, or are writing it.
  static func events(of sweep: URL) throws -> [SweepEvent] {
    let folder = sweep.appending(path: "journal")
    let events = try SharedFolder.names(in: folder).filter { $0.hasSuffix(".jsonl") }.sorted().flatMap { name in
      try SmallFile.bytes(of: folder.appending(path: name), limit: largest, what: "the journal of the sweep")
        .split(separator: UInt8(ascii: "\n"))
        .compactMap { try? SharedFolder.decoder.decode(SweepEvent.self, from: Data($0)) }
    }
    return events.enumerated().sorted { ($0.element.time, $0.offset) < ($1.element.time, $1.offset) }.map(\.element)
  }
}
