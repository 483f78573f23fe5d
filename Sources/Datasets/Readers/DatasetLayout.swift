import Diagnostics
import Foundation

/// How a data set's lists and labels are laid out on disk.
public enum DatasetLayout: Sendable, Equatable {
  /// A ``SplitFile`` at the URL names images, labels and classes.
  case splitFile(URL)
  /// FGVC Aircraft: lists of image numbers and variants in the folder.
  case variantLists(URL)
  /// ImageNet and its variants.
  case wordNetFolders(WordNetFolders)
  /// `train/`, `val/` and `test/` of class folders in the image root.
  case classFolders
  /// Class folders in the image root, divided by a seed.
  case classTree(SeededDivision)
  /// CSV or JSON Lines of path, label and class name.
  case manifests(Manifests)

  /// As messages and tables call it.
  public var words: String {
    switch self {
    case .splitFile: "split file"
    case .variantLists: "variant lists"
    case .wordNetFolders(let folders): folders.naming == .identifiers ? "WordNet folders" : "numbered folders"
    case .classFolders: "class folders"
    case .classTree: "class tree"
    case .manifests: "manifest"
    }
  }

  /// Reads and judges the lists.
  func read(name: String, imageRoot: URL) throws -> Dataset {
    switch self {
    case .splitFile(let url):
      let split = try SplitFile(contentsOf: url)
      return Dataset(
        name: name, imageRoot: imageRoot, train: split.train, validation: split.validation, test: split.test,
        classNames: split.classNames)
    case .variantLists(let folder): return try VariantLists.read(folder, name: name, imageRoot: imageRoot)
    case .wordNetFolders(let folders): return try folders.read(name: name, imageRoot: imageRoot)
    case .classFolders: return try ClassFolders.read(name: name, imageRoot: imageRoot)
    case .classTree(let division): return try ClassFolders.read(name: name, imageRoot: imageRoot, division: division)
    case .manifests(let manifests): return try manifests.read(name: name, imageRoot: imageRoot)
    }
  }
}

/// The layouts that a user's own data set can have; paths are relative to the data set's folder, or absolute.
public enum OwnLayout: Sendable, Equatable {
  /// A ``SplitFile``.
  case splitFile(String)
  /// `train/`, `val/` and `test/` of class folders.
  case classFolders
  /// One tree of class folders, divided by a seed.
  case classTree(SeededDivision)
  /// One file of all images, with a column `split` or divided; or training and test images; or training, validation and
  /// test images.
  case manifests([String], SeededDivision)

  func layout(in folder: URL) -> DatasetLayout {
    switch self {
    case .splitFile(let path): .splitFile(folder.resolving(path))
    case .classFolders: .classFolders
    case .classTree(let division): .classTree(division)
    case .manifests(let paths, let division):
      .manifests(Manifests(files: paths.map { folder.resolving($0) }, division: division))
    }
  }
}

extension URL {
  /// `path` inside this folder, or `path` itself where it is absolute; the folder where it is empty.
  package func resolving(_ path: String) -> URL {
    if path.isEmpty { return self }
    return path.hasPrefix("/") ? URL(filePath: path) : appending(path: path)
  }
}
