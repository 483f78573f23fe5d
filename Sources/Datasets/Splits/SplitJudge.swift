import Diagnostics

/// The lists of a split, by their names in files and folders.
public enum SplitList: String, Sendable, CaseIterable {
  case train
  case validation = "val"
  case test
}

/// The rules that the three lists of a split must keep together.
struct SplitJudge {
  /// Where the lists come from.
  let place: String?
  /// File and line of each list's items, where they come from lines of text; otherwise messages count items from 0.
  var lines: [SplitList: SourceLines] = [:]
  /// Lists that may not be empty.
  var required: Set<SplitList> = [.train, .test]

  /// The lines of a file that items were read from.
  struct SourceLines {
    let file: String
    /// Of each item, from 1.
    let numbers: [Int]
  }

  /// The class names by label, or a `Failure(.badData)` about the first rule that is broken.
  func classNames(of lists: [(list: SplitList, items: [DatasetItem])]) throws -> [String] {
    for (list, items) in lists where items.isEmpty && required.contains(list) {
      throw Failure(
        .badData, at: place, "the list \"\(list.rawValue)\" is empty; training and testing need images")
    }
    var firstUse: [Int: (className: String, list: SplitList, index: Int)] = [:]
    for (list, items) in lists {
      for (index, item) in items.enumerated() {
        if let rule = Self.brokenRule(of: item) { throw failure(list, index, separator: ": ", rule) }
        let known = firstUse[item.label]
        guard known == nil || known?.className == item.className else {
          let first = known.map { "\(name($0.list, $0.index)) names it \"\($0.className)\"" } ?? ""
          throw failure(
            list, index, separator: " ", "names label \(item.label) \"\(item.className)\", but \(first)",
            remedy: "give each label one class name")
        }
        if known == nil { firstUse[item.label] = (item.className, list, index) }
      }
    }
    let labels = firstUse.keys.sorted()
    if let gap = labels.indices.first(where: { labels[$0] != $0 }) {
      throw Failure(
        .badData, at: place, "no image has label \(gap), though labels go up to \(labels[labels.count - 1])",
        remedy: "labels must be 0, 1, 2, ... without gaps over train, val and test")
    }
    return labels.compactMap { firstUse[$0]?.className }
  }

  /// What is wrong with one item for itself.
  private static func brokenRule(of item: DatasetItem) -> String? {
    if item.label < 0 { return "the label \(item.label) is negative; labels count from 0" }
    if item.className.allSatisfy(\.isWhitespace) { return "the class name is empty" }
    if item.path.isEmpty { return "the image path is empty" }
    if item.path.utf8.contains(0) { return "the image path holds a NUL character" }
    let components = item.path.utf8.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)
    if components.first?.isEmpty == true || components.contains(where: { $0.elementsEqual("..".utf8) }) {
      return "the image path \"\(item.path)\" leaves the image root; paths are relative to it and have no .. in them"
    }
    return nil
  }

  /// How messages call an item.
  private func name(_ list: SplitList, _ index: Int) -> String {
    lines[list].map { "\($0.file):\($0.numbers[index])" } ?? "\(list.rawValue)[\(index)]"
  }

  private func failure(
    _ list: SplitList, _ index: Int, separator: String, _ problem: String, remedy: String? = nil
  ) -> Failure {
    guard lines[list] == nil else { return Failure(.badData, at: name(list, index), problem, remedy: remedy) }
    return Failure(.badData, at: place, name(list, index) + separator + problem, remedy: remedy)
  }
}
