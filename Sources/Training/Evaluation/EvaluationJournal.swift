import Diagnostics
import Evaluation
import Files
import Foundation
import ShardFiles

/// `journal.jsonl` of an evaluation: one line for each chunk of images that was tested, with its hash before it.
///
/// A line is in the kernel's hands when a chunk counts as tested, so a killed job loses no more than what it was at.
package struct EvaluationJournal {
  /// A chunk, and which test it belongs to.
  package struct Entry: Codable {
    /// Hash of all that the test depends on.
    package var test: String
    package var outcomes: ImageOutcomes
  }

  static let name = "journal.jsonl"
  /// Largest journal that is read back; an image takes some 50 bytes.
  private static let largest = 4 << 30

  private let file: LineFile

  /// Opens a journal to append to; creates it where there is none.
  init(appendingTo url: URL) throws { file = try LineFile(appendingTo: url) }

  func append(_ entry: Entry) throws {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    let text = String(decoding: try encoder.encode(entry), as: UTF8.self)
    try file.append("\(Self.hash(of: text)) \(text)")
  }

  func synchronize() throws { try file.synchronize() }

  /// What is there, and how many lines are cut off or damaged, which count for nothing.
  ///
  /// Throws `Failure` for a journal that cannot be read.
  package static func read(_ url: URL) throws -> (entries: [Entry], damaged: Int) {
    guard FileManager.default.fileExists(atPath: url.path) else { return ([], 0) }
    let bytes = try SmallFile.bytes(of: url, limit: largest, what: "the journal of the evaluation")
    let lines = bytes.split(separator: UInt8(ascii: "\n"))
    let entries = lines.compactMap { line -> Entry? in
      guard let space = line.firstIndex(of: UInt8(ascii: " ")) else { return nil }
      let text = String(decoding: line[line.index(after: space)...], as: UTF8.self)
      guard String(decoding: line[..<space], as: UTF8.self) == hash(of: text) else { return nil }
      return try? JSONDecoder().decode(Entry.self, from: Data(text.utf8))
    }
    return (entries, lines.count - entries.count)
  }

  private static func hash(of text: String) -> String {
    var stream = HashStream()
    stream.append(text: text)
    return "\(stream.hash)"
  }
}
