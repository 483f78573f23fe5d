import Diagnostics

/// Which classes of a data set take part: the base-to-new protocol trains on one half and tests on both.
public enum ClassSubset: String, Sendable, CaseIterable {
  case all
  /// The first `ceil(C / 2)` classes by label.
  case base
  /// The classes after the base ones.
  case new

  /// The labels that belong to the subset of a data set of `classCount` classes.
  public func labels(classCount: Int) -> Range<Int> {
    let baseCount = classCount - classCount / 2
    return switch self {
    case .all: 0..<classCount
    case .base: 0..<baseCount
    case .new: baseCount..<classCount
    }
  }
}

extension Dataset {
  /// The data set with the classes of `subset` only, in all three lists, relabelled `0..<n` in order of label.
  ///
  /// Few-shot sampling comes before this, so that base and new images are the ones that a run over all classes would draw.
  /// Throws `Failure(.usage)` where fewer than two classes are to be parted.
  public func subset(_ subset: ClassSubset) throws -> Dataset {
    guard subset == .all || classNames.count >= 2 else {
      throw Failure(
        .usage, at: name, "\(classNames.count) class cannot be parted into base and new classes",
        remedy: "use a data set of at least 2 classes, or all classes")
    }
    let labels = subset.labels(classCount: classNames.count)
    func kept(_ items: [DatasetItem]) -> [DatasetItem] {
      items.filter { labels.contains($0.label) }.map { item in
        DatasetItem(path: item.path, label: item.label - labels.lowerBound, className: item.className)
      }
    }
    return Dataset(
      name: name, imageRoot: imageRoot, train: kept(train), validation: kept(validation), test: kept(test),
      classNames: Array(classNames[labels]))
  }
}
