import Diagnostics
import Foundation

/// One labelled image.
public struct DatasetItem: Sendable, Equatable {
  /// Where the image lies, relative to the image root, with `/` between components.
  public var path: String
  /// The class, `0..<C`.
  public var label: Int
  /// The class's name as the data set writes it; ``PromptTemplate`` turns underscores into spaces.
  public var className: String

  /// An image and its class.
  public init(path: String, label: Int, className: String) {
    self.path = path
    self.label = label
    self.className = className
  }
}

/// A data set that was read and judged: three lists of images, and the names of the classes.
public struct Dataset: Sendable, Equatable {
  /// What results and messages call it.
  public var name: String
  /// The folder that the items' paths start from.
  public var imageRoot: URL
  /// What training draws from.
  public var train: [DatasetItem]
  /// For choosing settings; may be empty.
  public var validation: [DatasetItem]
  /// What results are measured on.
  public var test: [DatasetItem]
  /// The name of each class; the index is the label.
  public var classNames: [String]

  /// A data set from lists that were judged elsewhere, such as by ``SplitFile``.
  public init(
    name: String, imageRoot: URL, train: [DatasetItem], validation: [DatasetItem], test: [DatasetItem],
    classNames: [String]
  ) {
    self.name = name
    self.imageRoot = imageRoot
    self.train = train
    self.validation = validation
    self.test = test
    self.classNames = classNames
  }

  /// The image file of `item`.
  public func url(of item: DatasetItem) -> URL {
    url(ofPath: item.path)
  }

  /// The image file at a path of an item.
  public func url(ofPath path: String) -> URL {
    imageRoot.appending(path: path, directoryHint: .notDirectory)
  }

  /// Makes sure, before hours of work, that the image of each of `items` is there.
  ///
  /// Throws one `Failure(.missingInput)` that counts the missing images and lists the first five.
  public func verifyImagesExist(_ items: [DatasetItem]) throws {
    guard Self.isFolder(imageRoot) else {
      throw Failure(
        .missingInput, at: imageRoot.path, "the image folder of \(name) does not exist",
        remedy: "correct the data root or the image root")
    }
    let missing = items.filter { !Self.isFile(url(of: $0)) }
    guard missing.isEmpty else {
      let first = missing.prefix(5).map(\.path).joined(separator: ", ")
      throw Failure(
        .missingInput, at: imageRoot.path,
        "\(missing.count) of \(items.count) images of \(name) are missing: \(first)\(missing.count > 5 ? ", ..." : "")",
        remedy: "complete the copy of the data set or correct the image root")
    }
  }

  private static func isFolder(_ url: URL) -> Bool {
    var isDirectory: ObjCBool = false
    return FileManager.default.fileExists(atPath: url.path, isDirectory: &isDirectory) && isDirectory.boolValue
  }

  private static func isFile(_ url: URL) -> Bool {
    var isDirectory: ObjCBool = false
    return FileManager.default.fileExists(atPath: url.path, isDirectory: &isDirectory) && !isDirectory.boolValue
  }
}
