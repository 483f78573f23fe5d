import Diagnostics
import Files
import Foundation
import StrictJSON

/// A split file as CoOp-style papers share it: a JSON object with the lists `train`, `val` and `test`, each item being
/// `[image path, label, class name]`.
///
/// A value of this type was judged whole: training and test lists are not empty, no path leaves the image root, labels are
/// `0..<C` over all three lists without gaps, and each label has one class name.
public struct SplitFile: Sendable, Equatable {
  /// Larger files are refused unread; a million items need about 100 MB.
  public static let byteLimit = 256 << 20

  /// The list `train`; never empty.
  public let train: [DatasetItem]
  /// The list `val`; may be empty.
  public let validation: [DatasetItem]
  /// The list `test`; never empty.
  public let test: [DatasetItem]
  /// The name of each class; the index is the label.
  public let classNames: [String]

  /// Judges the three lists; `place` is what a failure names as their origin.
  ///
  /// Throws `Failure(.badData)` with the list and the item (from 0), or the label, that breaks a rule.
  public init(
    train: [DatasetItem], validation: [DatasetItem], test: [DatasetItem], place: String? = nil
  ) throws {
    self.train = train
    self.validation = validation
    self.test = test
    let lists = [(SplitList.train, train), (.validation, validation), (.test, test)]
    classNames = try SplitJudge(place: place).classNames(of: lists)
  }

  /// Reads and judges the file at `url`.
  ///
  /// Throws `Failure`: `.missingInput` where there is no file, `.inputOutput` where it cannot be read, `.badData` where it
  /// is too large, no JSON (with line and column), of another shape, or breaks a rule of the type.
  public init(contentsOf url: URL) throws {
    let bytes = try SmallFile.bytes(
      of: url, limit: Self.byteLimit, what: "the split file",
      remedy: "correct the data root, the folder or the name of the split file")
    var lists: [SplitList: [DatasetItem]] = [:]
    // Editors on Windows put a byte order mark before UTF-8.
    var cursor = JSONCursor(bytes, allowsByteOrderMark: true)
    do {
      try cursor.object("a split file") { cursor, key in
        guard let list = SplitList(rawValue: key) else { return try cursor.skipValue() }
        lists[list] = try Self.items(of: list, from: &cursor)
      }
      try cursor.end()
    } catch let problem as JSONProblem {
      throw problem.failure(in: url.path)
    }
    for list in SplitList.allCases where lists[list] == nil {
      throw Failure(
        .badData, at: url.path, "the list \"\(list.rawValue)\" is missing",
        remedy: "a split file has the lists train, val and test; val may be empty")
    }
    try self.init(
      train: lists[.train, default: []], validation: lists[.validation, default: []],
      test: lists[.test, default: []], place: url.path)
  }

  /// Writes the lists in the same shape, one item a line.
  ///
  /// The file is written aside and renamed. Throws `Failure`: `.cannotCreate` when the folder does not take it,
  /// `.inputOutput` when writing fails part-way.
  public func write(to url: URL) throws {
    let lists = [(SplitList.train, train), (.validation, validation), (.test, test)].map(Self.text)
    try AtomicFile.write(Data("{\n\(lists.joined(separator: ",\n"))\n}\n".utf8), to: url)
  }
}

extension SplitFile {
  /// A list with its key, one item a line.
  static func text(of list: SplitList, _ items: [DatasetItem]) -> String {
    let lines = items.map { item in
      "[\(JSONText.quoted(item.path)), \(item.label), \(JSONText.quoted(item.className))]"
    }
    return "\"\(list.rawValue)\": [\n\(lines.joined(separator: ",\n"))\n]"
  }

  /// Reads a list of items.
  static func items(of list: SplitList, from cursor: inout JSONCursor) throws -> [DatasetItem] {
    var items: [DatasetItem] = []
    try cursor.array("the list \"\(list.rawValue)\"") { cursor, index in
      do {
        items.append(try item(from: &cursor))
      } catch var problem as JSONProblem {
        problem.problem = "\(list.rawValue)[\(index)]: \(problem.problem)"
        throw problem
      }
    }
    return items
  }

  private static func item(from cursor: inout JSONCursor) throws -> DatasetItem {
    let shape = "an item is a list of image path, label and class name"
    var item = DatasetItem(path: "", label: 0, className: "")
    var count = 0
    try cursor.array("an item") { cursor, field in
      switch field {
      case 0: item.path = try cursor.string("the image path")
      case 1: item.label = try cursor.integer("the label")
      case 2: item.className = try cursor.string("the class name")
      default: throw cursor.problem("\(shape); this one has more")
      }
      count = field + 1
    }
    guard count == 3 else { throw cursor.problem("\(shape); the one that ends here has \(count) of the three") }
    return item
  }
}
