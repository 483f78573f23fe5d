import Diagnostics
import Foundation

/// The layout of ImageNet and its variants: a folder per class, whose name leads to the class name in `classnames.txt`.
public struct WordNetFolders: Sendable, Equatable {
  /// What the folders of the classes are called.
  public enum Naming: Sendable, Equatable {
    /// WordNet ids; labels are their places in sorted order.
    case identifiers
    /// Numbers from 0, which are the labels; the order is that of `classnames.txt`.
    case numbers
  }

  /// Where `classnames.txt` may be; the first that exists counts.
  let classNames: [URL]
  /// The folder of training images, relative to the image root; nil where the data set has test images only.
  let train: String?
  /// The folder of test images, relative to the image root; empty: the image root.
  let test: String
  let naming: Naming
  /// Of a data set that has some of the classes only: how many; nil for all of `classnames.txt`.
  let classCount: Int?

  /// Lists the folders.
  ///
  /// Training images may be missing as a whole, for those who only test. Throws `Failure` where a folder or `classnames.txt`
  /// is missing, a class has no folder or a folder no class, or no image.
  func read(name: String, imageRoot: URL) throws -> Dataset {
    let list = try ClassNameList(firstOf: classNames)
    let folders = try classFolders(in: imageRoot.appending(path: test), list, name: name)
    let names = folders.enumerated().map { label, folder in
      naming == .identifiers ? list.names[folder]! : list.names[list.ids[label]]!
    }
    var training: [DatasetItem] = []
    if let train, FileManager.default.fileExists(atPath: imageRoot.appending(path: train).path) {
      let trained = try classFolders(in: imageRoot.appending(path: train), list, name: name)
      guard trained == folders else { throw differing(trained, folders, imageRoot.appending(path: train)) }
      training = try items(in: train, of: imageRoot, folders, names)
    }
    return Dataset(
      name: name, imageRoot: imageRoot, train: training, validation: [],
      test: try items(in: test, of: imageRoot, folders, names), classNames: names)
  }

  private func items(in part: String, of root: URL, _ folders: [String], _ names: [String]) throws -> [DatasetItem] {
    try zip(folders, names).enumerated().flatMap { label, pair in
      let path = part.isEmpty ? pair.0 : "\(part)/\(pair.0)"
      let images = try FolderListing(of: root.appending(path: path), what: "the folder of class \(label)").images
      guard !images.isEmpty else {
        throw Failure(
          .badData, at: root.appending(path: path).path, "class \(label), \(quoted(pair.1)), has no images here",
          remedy: "complete the copy of the data set")
      }
      return images.map { DatasetItem(path: "\(path)/\($0)", label: label, className: pair.1) }
    }
  }

  /// The class folders in order of label.
  private func classFolders(in folder: URL, _ list: ClassNameList, name: String) throws -> [String] {
    let found = try FolderListing(of: folder, what: "the image folder of \(name)").folders
    let known = naming == .identifiers ? list.ids : list.ids.indices.map(String.init)
    let extra = Set(found).subtracting(known).sorted(by: FolderListing.precedes)
    if let first = extra.first {
      throw Failure(
        .badData, at: folder.path,
        "the folder \(quoted(first)) is no class of \(list.file.path)\(extra.count > 1 ? ", nor are \(extra.count - 1) others" : "")",
        remedy: naming == .identifiers
          ? "folders are WordNet ids; move others away" : "folders are 0 to \(known.count - 1); move others away")
    }
    try judgeCompleteness(found, known, folder, list, name: name)
    return naming == .identifiers ? found : known
  }

  /// A class that is left out would shift the labels of all that follow.
  private func judgeCompleteness(
    _ found: [String], _ known: [String], _ folder: URL, _ list: ClassNameList, name: String
  ) throws {
    if let classCount {
      guard found.count != classCount else { return }
      throw Failure(
        .badData, at: folder.path, "there are \(found.count) class folders, \(name) has \(classCount)",
        remedy: "complete the copy of the data set")
    }
    let present = Set(found)
    let missing = known.filter { !present.contains($0) }
    guard !missing.isEmpty else { return }
    throw Failure(
      .badData, at: folder.path,
      "\(missing.count) of the \(known.count) classes of \(list.file.path) have no folder: \(first(missing))",
      remedy: "complete the copy of the data set")
  }

  private func differing(_ training: [String], _ test: [String], _ folder: URL) -> Failure {
    let differing = Set(training).symmetricDifference(test).sorted(by: FolderListing.precedes)
    return Failure(
      .badData, at: folder.path, "training and test images have different class folders: \(first(differing))",
      remedy: "complete the copy of the data set")
  }

  private func first(_ names: [String]) -> String {
    names.prefix(5).joined(separator: ", ") + (names.count > 5 ? ", ..." : "")
  }
}
