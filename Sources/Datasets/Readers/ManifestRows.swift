import Diagnostics
import Files
import Foundation
import StrictJSON

/// One image of a manifest.
struct ManifestRow {
  /// From 1.
  let line: Int
  var item: DatasetItem
  /// The list that it belongs to, where the manifest says so.
  var list: SplitList?
}

/// Files that list images: CSV with a header, or JSON Lines; which one is told by the name's end.
enum ManifestRows {
  /// Larger files are refused unread.
  static let byteLimit = 256 << 20

  private static let what = "the manifest"
  private static let columns = "path, label and class_name (and may name split)"

  /// The rows of the file at `url`; paths and labels are not judged yet.
  ///
  /// Throws `Failure`: `.missingInput` where there is no file, `.badData` with the line that is wrong.
  static func read(_ url: URL) throws -> [ManifestRow] {
    let bytes = try SmallFile.bytes(
      of: url, limit: byteLimit, what: what, remedy: "correct data.manifest, the data root or the folder")
    let text = try TextLines.text(bytes, url, what: what)
    switch url.pathExtension.lowercased() {
    case "csv": return try csv(text, file: url.path)
    case "jsonl", "ndjson": return try jsonLines(text, file: url.path)
    default:
      throw Failure(
        .usage, at: url.path, "a manifest is named .csv or .jsonl, which tells how it is written", remedy: "rename it")
    }
  }

  // MARK: CSV

  private static func csv(_ text: String, file: String) throws -> [ManifestRow] {
    let records = try CSVText.records(text, file: file)
    guard let header = records.first else { throw Failure(.badData, at: file, "the manifest is empty") }
    let titles = header.fields.map { $0.trimmingCharacters(in: .whitespaces).lowercased() }
    func column(_ title: String) -> Int? { titles.firstIndex(of: title) }
    guard let path = column("path"), let label = column("label"), let className = column("class_name") else {
      throw Failure(
        .badData, at: "\(file):\(header.line)", "the first line must name the columns \(columns)",
        remedy: "write path,label,class_name above the images")
    }
    let split = column("split")
    return try records.dropFirst().map { record in
      let place = "\(file):\(record.line)"
      guard record.fields.count == titles.count else {
        throw Failure(
          .badData, at: place, "the line has \(record.fields.count) fields, the header has \(titles.count)",
          remedy: "put fields that hold commas in quotes")
      }
      let number = record.fields[label].trimmingCharacters(in: .whitespaces)
      guard let number = Int(number) else {
        throw Failure(.badData, at: place, "the label \(quoted(record.fields[label])) is not a whole number")
      }
      let item = DatasetItem(path: record.fields[path], label: number, className: record.fields[className])
      return ManifestRow(line: record.line, item: item, list: try split.map { try list(record.fields[$0], place) })
    }
  }

  // MARK: JSON Lines

  private static func jsonLines(_ text: String, file: String) throws -> [ManifestRow] {
    let lines = text.split(omittingEmptySubsequences: false, whereSeparator: TextLines.isLineEnd)
    let rows = try lines.enumerated().compactMap { index, line -> ManifestRow? in
      guard !line.allSatisfy(\.isWhitespace) else { return nil }
      do {
        return try row(Array(line.utf8), line: index + 1, file: file)
      } catch var problem as JSONProblem {
        problem.line = index + 1
        throw problem.failure(in: file)
      }
    }
    guard !rows.isEmpty else { throw Failure(.badData, at: file, "the manifest is empty") }
    return rows
  }

  private static func row(_ bytes: [UInt8], line: Int, file: String) throws -> ManifestRow {
    var cursor = JSONCursor(bytes)
    var path: String?, label: Int?, className: String?, split: SplitList?
    try cursor.object("a line of a manifest") { cursor, key in
      switch key {
      case "path": path = try cursor.string("the image path")
      case "label": label = try cursor.integer("the label")
      case "class_name": className = try cursor.string("the class name")
      case "split": split = try list(try cursor.string("the split"), "\(file):\(line)")
      default: try cursor.skipValue()
      }
    }
    try cursor.end()
    guard let path, let label, let className else {
      throw Failure(
        .badData, at: "\(file):\(line)", "the line must name \(columns)",
        remedy: "write {\"path\": \"a.jpg\", \"label\": 0, \"class_name\": \"cat\"}")
    }
    return ManifestRow(line: line, item: DatasetItem(path: path, label: label, className: className), list: split)
  }

  private static func list(_ word: String, _ place: String) throws -> SplitList {
    let word = word.trimmingCharacters(in: .whitespaces)
    guard let list = SplitList(rawValue: word) else {
      throw Failure(
        .badData, at: place, "the split \(quoted(word)) is none of train, val and test",
        remedy: nearestMatch(to: word, among: SplitList.allCases.map(\.rawValue)).map { "did you mean \($0)?" })
    }
    return list
  }
}
