import Diagnostics
import Foundation

/// `classnames.txt` of ImageNet: a WordNet id and the name of its class on each line.
struct ClassNameList {
  /// Where it was read.
  let file: URL
  /// WordNet ids in the order of the lines.
  let ids: [String]
  /// The class name of each id.
  let names: [String: String]

  /// Reads the first of `candidates` that exists.
  ///
  /// Throws `Failure`: `.missingInput` where none does, `.badData` with the line that has no name, or an id again.
  init(firstOf candidates: [URL]) throws {
    precondition(!candidates.isEmpty)
    let file = candidates.first { FileManager.default.fileExists(atPath: $0.path) } ?? candidates[0]
    let others = candidates.dropFirst().map { " or as \($0.path)" }.joined()
    let lines = try TextLines.read(
      file, what: "the list of class names", remedy: "put classnames.txt there\(others); correct the data root")
    var ids: [String] = []
    var names: [String: String] = [:]
    for line in lines {
      guard let (id, name) = line.firstWordAndRest else {
        throw Failure(
          .badData, at: "\(file.path):\(line.number)", "\(quoted(line.text)) has no class name",
          remedy: "a line is a WordNet id, a space and the name of the class")
      }
      guard names.updateValue(name, forKey: id) == nil else {
        throw Failure(
          .badData, at: "\(file.path):\(line.number)", "names \(quoted(id)) again", remedy: "leave one of the lines out"
        )
      }
      ids.append(id)
    }
    guard !ids.isEmpty else { throw Failure(.badData, at: file.path, "the list of class names is empty") }
    self.file = file
    self.ids = ids
    self.names = names
  }
}
