import Datasets
import Reporting
import ShardFiles

/// An item and the list that it is in.
private struct ListedItem {
  let list: SplitList
  let item: DatasetItem

  var words: String { "\(list.rawValue) \(item.path)" }
}

extension Dataset {
  /// The lists by name.
  var lists: [(list: SplitList, items: [DatasetItem])] {
    [(.train, train), (.validation, validation), (.test, test)]
  }

  /// The paths of all images, each once, in order of first appearance.
  var paths: [String] {
    lists.flatMap(\.items).map(\.path).distinct()
  }

  /// Images of each class in a list; the index is the label.
  func counts(of items: [DatasetItem]) -> [Int] {
    var counts = Array(repeating: 0, count: classNames.count)
    for item in items { counts[item.label] += 1 }
    return counts
  }

  // MARK: Findings

  /// What verdicts on the image of each path, and the lists themselves, show.
  func findings(_ verdicts: [String: ImageVerdict]) -> [Finding] {
    absentClasses() + collidingClassNames() + badFiles(verdicts) + copies(verdicts)
  }

  private func absentClasses() -> [Finding] {
    lists.filter { !$0.items.isEmpty && $0.list != .validation }.flatMap { list, items in
      counts(of: items).enumerated().filter { $0.element == 0 }.map { label, _ in
        Finding(kind: .absentClass, words: "class \(label), \(classNames[label]), has no image in \(list.rawValue)")
      }
    }
  }

  private func collidingClassNames() -> [Finding] {
    Dictionary(grouping: classNames.indices) { PromptTemplate.comparableName(classNames[$0]) }
      .filter { $0.value.count > 1 }.sorted { $0.value[0] < $1.value[0] }
      .map { name, labels in
        Finding(
          kind: .className, words: "\(name): labels \(labels.map(String.init).joined(separator: ", "))")
      }
  }

  private func badFiles(_ verdicts: [String: ImageVerdict]) -> [Finding] {
    paths.compactMap { path in
      switch verdicts[path] {
      case .sound, nil: nil
      case .missing: Finding(kind: .missing, words: path)
      case .unreadable(let words): Finding(kind: .unreadable, words: "\(path): \(words)")
      }
    }
  }

  /// Groups of items with the same pixels, in order of first appearance.
  private func copies(_ verdicts: [String: ImageVerdict]) -> [Finding] {
    var groups: [Hash128: [ListedItem]] = [:]
    var order: [Hash128] = []
    for (list, items) in lists {
      for item in items {
        guard case .sound(let hash) = verdicts[item.path] else { continue }
        if groups[hash] == nil { order.append(hash) }
        groups[hash, default: []].append(ListedItem(list: list, item: item))
      }
    }
    return order.map { groups[$0, default: []] }.filter { $0.count > 1 }.flatMap(Self.findings)
  }

  private static func findings(_ copies: [ListedItem]) -> [Finding] {
    func finding(_ kind: FindingKind, _ copies: [ListedItem]) -> Finding {
      let labels = kind == .labelConflict
      return Finding(
        kind: kind,
        words: copies.map { labels ? "\($0.words) (label \($0.item.label))" : $0.words }.joined(separator: " = "))
    }
    var findings: [Finding] = []
    if Set(copies.map(\.item.label)).count > 1 { findings.append(finding(.labelConflict, copies)) }
    let tested = copies.count { $0.list == .test }
    if tested > 0, tested < copies.count { findings.append(finding(.trainTest, copies)) }
    for list in SplitList.allCases {
      let inList = copies.filter { $0.list == list }
      if inList.count > 1 { findings.append(finding(.repeated, inList)) }
    }
    return findings
  }
}
