import Diagnostics
import Foundation

/// The layout of FGVC Aircraft: `variants.txt` names the classes in order of label, `images_variant_train.txt`, `_val` and
/// `_test` have a line `imageId class name` per image, whose file is `imageId.jpg`.
enum VariantLists {
  /// Reads and judges the lists in `folder`.
  ///
  /// Throws `Failure` with file and line of the first thing that is wrong.
  static func read(_ folder: URL, name: String, imageRoot: URL) throws -> Dataset {
    let classes = try ClassLines(variants: folder.appending(path: "variants.txt"))
    var judge = SplitJudge(place: folder.path)
    let lists = try SplitList.allCases.map { list in
      let file = folder.appending(path: "images_variant_\(list.rawValue).txt")
      let (items, numbers) = try items(of: file, classes)
      judge.lines[list] = SplitJudge.SourceLines(file: file.path, numbers: numbers)
      return (list: list, items: items)
    }
    try classes.judge(usedBy: lists.flatMap(\.items))
    _ = try judge.classNames(of: lists)
    return Dataset(
      name: name, imageRoot: imageRoot, train: lists[0].items, validation: lists[1].items, test: lists[2].items,
      classNames: classes.names)
  }

  private static func items(of file: URL, _ classes: ClassLines) throws -> ([DatasetItem], numbers: [Int]) {
    let lines = try TextLines.read(
      file, what: "the list of images", remedy: "correct the data root or the folder, or copy the data set again")
    let items = try lines.map { line in
      guard let (id, className) = line.firstWordAndRest else {
        throw Failure(
          .badData, at: "\(file.path):\(line.number)", "\(quoted(line.text)) has no class name",
          remedy: "a line is an image's number and the name of its variant")
      }
      guard let label = classes.labels[className] else {
        let near = nearestMatch(to: className, among: classes.names)
        throw Failure(
          .badData, at: "\(file.path):\(line.number)", "the variant \(quoted(className)) is not in variants.txt",
          remedy: near.map { "did you mean \($0)?" } ?? "copy the data set's lists again")
      }
      return DatasetItem(path: "\(id).jpg", label: label, className: classes.names[label])
    }
    return (items, lines.map(\.number))
  }
}

/// Names of classes, a line each, in order of label.
private struct ClassLines {
  let file: URL
  let names: [String]
  let lineNumbers: [Int]
  let labels: [String: Int]

  init(variants file: URL) throws {
    let lines = try TextLines.read(
      file, what: "the list of classes", remedy: "correct the data root or the folder, or copy the data set again")
    var labels: [String: Int] = [:]
    for (label, line) in lines.enumerated() {
      if let first = labels.updateValue(label, forKey: line.text) {
        throw Failure(
          .badData, at: "\(file.path):\(line.number)",
          "names the class \(quoted(line.text)) again, after line \(lines[first].number)",
          remedy: "leave one of them out")
      }
    }
    guard !lines.isEmpty else { throw Failure(.badData, at: file.path, "the list of classes is empty") }
    self.file = file
    self.labels = labels
    names = lines.map(\.text)
    lineNumbers = lines.map(\.number)
  }

  /// A class without any image would have a label that nothing trains or tests.
  func judge(usedBy items: [DatasetItem]) throws {
    let used = Set(items.map(\.label))
    if let unused = names.indices.first(where: { !used.contains($0) }) {
      throw Failure(
        .badData, at: "\(file.path):\(lineNumbers[unused])",
        "no image has label \(unused), \(quoted(names[unused])), in any of the lists",
        remedy: "copy the data set's lists again")
    }
  }
}
