import Diagnostics
import Foundation

/// A user's own lists of path, label and class name, as CSV or JSON Lines.
public struct Manifests: Sendable, Equatable {
  /// One file of all images, which has a column `split` or is divided; or the files of training and test images; or those
  /// of training, validation and test images.
  var files: [URL]
  /// How a file of all images without `split` is divided.
  var division: SeededDivision

  /// Reads and judges the files.
  ///
  /// Throws `Failure` with file and line of the first thing that is wrong.
  func read(name: String, imageRoot: URL) throws -> Dataset {
    let rows = try files.count == 1 ? dividedRows(of: files[0]) : separateRows()
    var judge = SplitJudge(place: files.count == 1 ? files[0].path : nil)
    let lists = SplitList.allCases.map { list in
      let own = rows[list]
      if let own { judge.lines[list] = .init(file: own.file.path, numbers: own.rows.map(\.line)) }
      return (list: list, items: own?.rows.map(\.item) ?? [])
    }
    let classNames = try judge.classNames(of: lists)
    return Dataset(
      name: name, imageRoot: imageRoot, train: lists[0].items, validation: lists[1].items, test: lists[2].items,
      classNames: classNames)
  }

  private typealias Rows = [SplitList: (file: URL, rows: [ManifestRow])]

  private func separateRows() throws -> Rows {
    let lists: [SplitList] = files.count == 2 ? [.train, .test] : [.train, .validation, .test]
    var result: Rows = [:]
    for (list, file) in zip(lists, files) {
      let rows = try ManifestRows.read(file)
      if let stranger = rows.first(where: { $0.list != nil && $0.list != list }) {
        throw Failure(
          .badData, at: "\(file.path):\(stranger.line)",
          "the image is of the split \(stranger.list!.rawValue), in the manifest of \(list.rawValue)",
          remedy: "correct the order of data.manifest, or give this file alone")
      }
      result[list] = (file, rows)
    }
    return result
  }

  private func dividedRows(of file: URL) throws -> Rows {
    let rows = try ManifestRows.read(file)
    if let without = rows.first(where: { $0.list == nil }) {
      if let with = rows.first(where: { $0.list != nil }) {
        throw Failure(
          .badData, at: "\(file.path):\(without.line)", "the image has no split, but that of line \(with.line) has",
          remedy: "give each image a split, or none")
      }
      return try divided(rows, file)
    }
    return Dictionary(grouping: rows, by: { $0.list! }).mapValues { (file, $0) }
  }

  /// Rows by their place in the file: the same image may be listed twice.
  private func divided(_ rows: [ManifestRow], _ file: URL) throws -> Rows {
    let numbered = rows.enumerated().map { DatasetItem(path: "\($0)", label: $1.item.label, className: "") }
    let (lists, tooSmall) = division.divide(numbered)
    if let tooSmall {
      let ofLabel = rows.filter { $0.item.label == tooSmall }
      throw division.tooFew(ofLabel.count, of: ofLabel[0].item.className, at: file.path)
    }
    return lists.mapValues { (file, $0.map { rows[Int($0.path)!] }) }
  }
}
