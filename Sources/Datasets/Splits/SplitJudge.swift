import Diagnostics

/// The lists of a split, by their keys in the file.
enum SplitList: String, CaseIterable {
  case train
  case validation = "val"
  case test
}

/// The rules that the three lists of a split must keep together.
struct SplitJudge {
  /// Where the lists come from.
  let place: String?

  /// The class names by label, or a `Failure(.badData)` about the first rule that is broken.
  func classNames(of lists: [(list: SplitList, items: [DatasetItem])]) throws -> [String] {
    for (list, items) in lists where items.isEmpty && list != .validation {
      throw failure("the list \"\(list.rawValue)\" is empty; training and testing need images")
    }
    var firstUse: [Int: (className: String, list: SplitList, index: Int)] = [:]
    for (list, items) in lists {
      for (index, item) in items.enumerated() {
        if let rule = Self.brokenRule(of: item) { throw failure("\(list.rawValue)[\(index)]: \(rule)") }
        let known = firstUse[item.label]
        guard known == nil || known?.className == item.className else {
          let first = known.map { "\($0.list.rawValue)[\($0.index)] names it \"\($0.className)\"" } ?? ""
          throw failure(
            "\(list.rawValue)[\(index)] names label \(item.label) \"\(item.className)\", but \(first)",
            remedy: "give each label one class name")
        }
        if known == nil { firstUse[item.label] = (item.className, list, index) }
      }
    }
    let labels = firstUse.keys.sorted()
    if let gap = labels.indices.first(where: { labels[$0] != $0 }) {
      throw failure(
        "no image has label \(gap), though labels go up to \(labels[labels.count - 1])",
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

  private func failure(_ problem: String, remedy: String? = nil) -> Failure {
    Failure(.badData, at: place, problem, remedy: remedy)
  }
}
