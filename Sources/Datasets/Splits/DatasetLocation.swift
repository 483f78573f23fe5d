import Diagnostics
import Foundation

/// How a data set's lists and labels are laid out on disk.
public enum DatasetLayout: Sendable, Equatable {
  /// A ``SplitFile`` at the URL names images, labels and classes.
  case splitFile(URL)
}

/// Where one data set lies, how it is read, and the prompt that describes its classes.
public struct DatasetLocation: Sendable, Equatable {
  /// What results and messages call the data set.
  public var name: String
  /// The folder that the items' paths start from.
  public var imageRoot: URL
  /// Where the lists are, and of which form.
  public var layout: DatasetLayout
  /// The published prompt of a known data set, or what the user chose.
  public var promptTemplate: PromptTemplate

  /// Finds the data set `name` under `dataRoot`: a known name gives everything, and each setting replaces what it gives.
  ///
  /// - Parameters:
  ///   - name: a name or folder of ``DatasetCatalog``, in any case; or any name together with `splitFile`.
  ///   - folder: the data set's folder in the data root (or an absolute path); default: the catalogue's, or the name.
  ///   - imageRoot: where image paths start, relative to the folder; default: the catalogue's, or the folder itself.
  ///   - splitFile: the split file, relative to the folder.
  ///   - promptTemplate: text with one `{}`; default: the published one, or ``PromptTemplate/fallback``.
  ///
  /// Throws `Failure(.usage)` for an unknown name without `splitFile`, or a template without its `{}`. The disk is not
  /// looked at.
  public init(
    name: String, dataRoot: URL, folder: String? = nil, imageRoot: String? = nil, splitFile: String? = nil,
    promptTemplate: String? = nil
  ) throws {
    let entry = DatasetCatalog.entry(named: name)
    guard let splitFile = splitFile ?? entry?.splitFile else { throw DatasetCatalog.unknown(name) }
    let folder = Self.resolve(folder ?? entry?.folder ?? name, in: dataRoot)
    self.name = entry?.name ?? name
    self.imageRoot = Self.resolve(imageRoot ?? entry?.imageRoot ?? "", in: folder)
    layout = .splitFile(Self.resolve(splitFile, in: folder))
    self.promptTemplate = try (promptTemplate ?? entry?.promptTemplate).map { try PromptTemplate($0) } ?? .fallback
  }

  /// Reads and judges the lists.
  ///
  /// No image is looked at; see ``Dataset/verifyImagesExist(_:)``.
  ///
  /// Throws the `Failure` of the layout's reader, such as ``SplitFile/init(contentsOf:)``.
  public func read() throws -> Dataset {
    switch layout {
    case .splitFile(let url):
      let split = try SplitFile(contentsOf: url)
      return Dataset(
        name: name, imageRoot: imageRoot, train: split.train, validation: split.validation, test: split.test,
        classNames: split.classNames)
    }
  }

  /// `path` inside `folder`, or `path` itself where it is absolute or empty means the folder.
  private static func resolve(_ path: String, in folder: URL) -> URL {
    if path.isEmpty { return folder }
    return path.hasPrefix("/") ? URL(filePath: path) : folder.appending(path: path)
  }
}

/// The data sets that are known by name, in the layout that CoOp-style papers share.
public enum DatasetCatalog {
  /// One known data set.
  public struct Entry: Sendable, Equatable {
    /// The name in result tables.
    public let name: String
    /// Its folder in the data root.
    public let folder: String
    /// Where image paths start, relative to the folder; empty: the folder itself.
    public let imageRoot: String
    /// The split file, relative to the folder.
    public let splitFile: String
    /// The prompt of the published Skip Tuning runs.
    public let promptTemplate: String
  }

  /// All known data sets, in the order of the published tables.
  public static let entries: [Entry] = [
    entry("Caltech101", "caltech-101", "101_ObjectCategories", "itap of a {}."),
    entry("OxfordPets", "oxford_pets", "images", "a bad photo of a {}, a type of pet."),
    entry("StanfordCars", "stanford_cars", "", "a photo of the {}, a type of car."),
    entry("OxfordFlowers", "oxford_flowers", "jpg", "a close-up photo of a {}."),
    entry("Food101", "food-101", "images", "a photo of the nice {}."),
    entry("SUN397", "sun397", "SUN397", "a photo of a {}."),
    entry("DescribableTextures", "dtd", "images", "itap of a {}."),
    entry("EuroSAT", "eurosat", "2750", "a centered satellite photo of {}."),
    entry("UCF101", "ucf101", "UCF-101-midframes", "a photo of a {}, a type of sport."),
  ]

  /// The data set with this name or folder name; case, `_` and `-` do not matter.
  public static func entry(named name: String) -> Entry? {
    let key = folded(name)
    return entries.first { folded($0.name) == key || folded($0.folder) == key }
  }

  static func unknown(_ name: String) -> Failure {
    let near = nearestMatch(to: name, among: entries.flatMap { [$0.name, $0.folder] })
    let known = entries.map(\.name).joined(separator: ", ")
    return Failure(
      .usage, "no data set is known as \"\(name)\"",
      remedy: near.map { "did you mean \($0)?" } ?? "give its split file too, or choose one of \(known)")
  }

  private static func entry(_ name: String, _ folder: String, _ imageRoot: String, _ prompt: String) -> Entry {
    Entry(
      name: name, folder: folder, imageRoot: imageRoot, splitFile: "split_zhou_\(name).json", promptTemplate: prompt)
  }

  private static func folded(_ name: String) -> String {
    name.lowercased().filter { $0 != "_" && $0 != "-" }
  }
}
