import Diagnostics

extension Dataset {
  /// The data set with the training and validation images that a subset names; the test list stays whole.
  ///
  /// Paths of the subset may be absolute, from the machine that it was made on: they end as paths of the lists do. `place` is
  /// what a failure names, `shots` how many training images each class must have (all, where it has fewer). Throws
  /// `Failure(.badData)` for an image that is not in the list, comes twice, or has another label or class name there, and
  /// for another number of images.
  public func taking(_ subset: FewShotSubset, from place: String, shots: Int? = nil) throws -> Dataset {
    var result = self
    result.train = try Self.matching(subset.train, in: train, "train", place)
    result.validation = try Self.matching(subset.validation, in: validation, "val", place)
    guard !result.train.isEmpty else {
      throw Failure(.badData, at: place, "the subset has no training images", remedy: "give another one")
    }
    if let shots { try judge(result.train, shots: shots, place) }
    return result
  }

  private static func matching(
    _ wanted: [DatasetItem], in items: [DatasetItem], _ list: String, _ place: String
  ) throws -> [DatasetItem] {
    let known = Dictionary(items.map { ($0.path, $0) }) { first, _ in first }
    var used = Set<String>()
    return try wanted.enumerated().map { index, item in
      func failure(_ problem: String) -> Failure {
        Failure(
          .badData, at: place, "\(list)[\(index)]: \(problem)", remedy: "the subset must be of this data set and split")
      }
      guard let found = Self.endings(of: item.path).lazy.compactMap({ known[$0] }).first else {
        throw failure("\(quoted(item.path)) is no image of the list \(list)")
      }
      guard used.insert(found.path).inserted else { throw failure("\(quoted(item.path)) comes twice") }
      guard found.label == item.label, found.className == item.className else {
        throw failure(
          "\(quoted(found.path)) has label \(item.label), \(quoted(item.className)), here, and label \(found.label), "
            + "\(quoted(found.className)), in the data set")
      }
      return found
    }
  }

  /// The path, and what follows each `/` in it, longest first; Windows writes `\`.
  private static func endings(of path: String) -> [String] {
    let path = path.contains("/") ? path : path.replacing("\\", with: "/")
    return [path] + path.indices.filter { path[$0] == "/" }.map { String(path[path.index(after: $0)...]) }
  }

  private func judge(_ chosen: [DatasetItem], shots: Int, _ place: String) throws {
    let available = Dictionary(grouping: train, by: \.label).mapValues(\.count)
    let counts = Dictionary(grouping: chosen, by: \.label).mapValues(\.count)
    for (label, count) in available.sorted(by: { $0.key < $1.key }) {
      let expected = min(shots, count)
      guard counts[label, default: 0] != expected else { continue }
      throw Failure(
        .badData, at: place,
        "the subset has \(counts[label, default: 0]) images of class \(label), \(quoted(classNames[label])), not \(expected)",
        remedy: "set data.shots as the subset was drawn, or leave it out")
    }
  }
}
