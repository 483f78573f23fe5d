import Diagnostics
import Foundation

/// A user's own images: a folder per class, called as the class; labels are the places of the names in sorted order.
enum ClassFolders {
  /// Reads `train/`, `val/` and `test/` of class folders in the image root.
  ///
  /// `val/` may be absent; where `test/` is, `val/` is what is tested on, and there is no validation list. Classes are those
  /// of all lists together. Throws `Failure` where a list is missing or empty.
  static func read(name: String, imageRoot: URL) throws -> Dataset {
    let parts = try SplitList.allCases.compactMap { list -> (SplitList, [String: [String]])? in
      let folder = imageRoot.appending(path: list.rawValue)
      guard FileManager.default.fileExists(atPath: folder.path) else { return nil }
      return (list, try images(in: folder, prefix: list.rawValue))
    }
    var found = Dictionary(uniqueKeysWithValues: parts)
    if found[.test] == nil, let validation = found.removeValue(forKey: .validation) { found[.test] = validation }
    for list in [SplitList.train, .test] where found[list] == nil {
      throw Failure(
        .missingInput, at: imageRoot.appending(path: list.rawValue).path, "the folder does not exist",
        remedy: "class folders lie in train/ and test/ (or val/); one tree of them is data.layout=class-tree")
    }
    let names = Set(found.values.flatMap(\.keys)).sorted(by: FolderListing.precedes)
    func list(_ list: SplitList) -> [DatasetItem] { items(found[list, default: [:]], names) }
    return try judged(
      name, imageRoot, [.train: list(.train), .validation: list(.validation), .test: list(.test)], names)
  }

  /// Reads one tree of class folders and divides it.
  ///
  /// Throws `Failure` where there are no class folders, or a class has too few images to be divided.
  static func read(name: String, imageRoot: URL, division: SeededDivision) throws -> Dataset {
    let images = try images(in: imageRoot, prefix: "")
    let names = images.keys.sorted(by: FolderListing.precedes)
    let (lists, tooSmall) = division.divide(items(images, names))
    if let tooSmall {
      throw division.tooFew(images[names[tooSmall]]!.count, of: names[tooSmall], at: imageRoot.path)
    }
    return try judged(name, imageRoot, lists, names)
  }

  /// The images of each class folder, as paths from the image root, sorted.
  private static func images(in folder: URL, prefix: String) throws -> [String: [String]] {
    let classes = try FolderListing(of: folder, what: "the image folder").folders
    guard !classes.isEmpty else {
      throw Failure(
        .badData, at: folder.path, "there are no class folders here", remedy: "put each class's images in a folder")
    }
    // To Swift, texts are equal whatever code points their accents are made of; to a disk they are not.
    if Set(classes).count < classes.count {
      throw Failure(
        .badData, at: folder.path, "two class folders have the same name, written with different code points",
        remedy: "join or rename them")
    }
    return try Dictionary(
      uniqueKeysWithValues: classes.map { name in
        let images = try FolderListing(of: folder.appending(path: name)).images
        guard !images.isEmpty else {
          throw Failure(
            .badData, at: folder.appending(path: name).path, "the class folder has no images",
            remedy: "add some, or remove the folder")
        }
        return (name, images.map { prefix.isEmpty ? "\(name)/\($0)" : "\(prefix)/\(name)/\($0)" })
      })
  }

  private static func items(_ images: [String: [String]], _ names: [String]) -> [DatasetItem] {
    names.enumerated().flatMap { label, name in
      images[name, default: []].map { DatasetItem(path: $0, label: label, className: name) }
    }
  }

  private static func judged(
    _ name: String, _ imageRoot: URL, _ lists: [SplitList: [DatasetItem]], _ classNames: [String]
  ) throws -> Dataset {
    let judge = SplitJudge(place: imageRoot.path)
    _ = try judge.classNames(of: SplitList.allCases.map { ($0, lists[$0, default: []]) })
    return Dataset(
      name: name, imageRoot: imageRoot, train: lists[.train, default: []],
      validation: lists[.validation, default: []], test: lists[.test, default: []], classNames: classNames)
  }
}

extension SeededDivision {
  /// The refusal of a class that cannot be divided.
  func tooFew(_ count: Int, of className: String, at place: String) -> Failure {
    Failure(
      .badData, at: place,
      "the \(count) \(count == 1 ? "image" : "images") of class \(quoted(className)) cannot be divided into training "
        + "(share \(train)), validation (\(validation)) and test images: at least one is needed to train and one to test",
      remedy: "add images, or change data.division")
  }
}
