import Diagnostics
import Foundation

/// The data sets that are known by name, in the layout that CoOp-style papers share.
public enum DatasetCatalog {
  /// How a known data set is laid out in its folder.
  enum Layout: Sendable, Equatable {
    /// `split_zhou_<name>.json`.
    case splitFile
    case variantLists
    /// Folders of training and of test images relative to the image root, what class folders are called, and the number of
    /// classes where a data set has not all of ImageNet's.
    case wordNetFolders(train: String?, test: String, WordNetFolders.Naming, classCount: Int?)
  }

  /// One known data set.
  public struct Entry: Sendable, Equatable {
    /// The name in result tables.
    public let name: String
    /// Its folder in the data root.
    public let folder: String
    /// Where image paths start, relative to the folder; empty: the folder itself.
    public let imageRoot: String
    /// The prompt of the published Skip Tuning runs.
    public let promptTemplate: String
    let layout: Layout

    fileprivate init(
      _ name: String, _ folder: String, _ imageRoot: String, _ promptTemplate: String, _ layout: Layout = .splitFile
    ) {
      self.name = name
      self.folder = folder
      self.imageRoot = imageRoot
      self.promptTemplate = promptTemplate
      self.layout = layout
    }

    /// Where its lists are, with the data set in `folder`.
    func layout(in folder: URL, dataRoot: URL) -> DatasetLayout {
      switch layout {
      case .splitFile: return .splitFile(folder.appending(path: "split_zhou_\(name).json"))
      case .variantLists: return .variantLists(folder)
      case .wordNetFolders(let train, let test, let naming, let classCount):
        // The variants' copies are the same file, and often left out.
        let lists = [folder, dataRoot.appending(path: DatasetCatalog.imageNetFolder)]
          .map { $0.appending(path: "classnames.txt") }
        return .wordNetFolders(
          WordNetFolders(
            classNames: lists[0] == lists[1] ? [lists[0]] : lists, train: train, test: test, naming: naming,
            classCount: classCount))
      }
    }
  }

  fileprivate static let imageNetFolder = "imagenet"

  /// Class folders called by WordNet ids, with test images only.
  private static func testFolders(classCount: Int? = nil) -> Layout {
    .wordNetFolders(train: nil, test: "", .identifiers, classCount: classCount)
  }

  /// All known data sets: the eleven of the published tables in their order, then the four variants of ImageNet.
  public static let entries: [Entry] = [
    Entry(
      "ImageNet", imageNetFolder, "images", "a photo of a {}.",
      .wordNetFolders(train: "train", test: "val", .identifiers, classCount: nil)),
    Entry("Caltech101", "caltech-101", "101_ObjectCategories", "itap of a {}."),
    Entry("OxfordPets", "oxford_pets", "images", "a bad photo of a {}, a type of pet."),
    Entry("StanfordCars", "stanford_cars", "", "a photo of the {}, a type of car."),
    Entry("OxfordFlowers", "oxford_flowers", "jpg", "a close-up photo of a {}."),
    Entry("Food101", "food-101", "images", "a photo of the nice {}."),
    Entry(
      "FGVCAircraft", "fgvc_aircraft", "images", "a bright photo of a {}, a type of aircraft.", .variantLists),
    Entry("SUN397", "sun397", "SUN397", "a photo of a {}."),
    Entry("DescribableTextures", "dtd", "images", "itap of a {}."),
    Entry("EuroSAT", "eurosat", "2750", "a centered satellite photo of {}."),
    Entry("UCF101", "ucf101", "UCF-101-midframes", "a photo of a {}, a type of sport."),
    Entry(
      "ImageNetV2", "imagenetv2", "imagenetv2-matched-frequency-format-val", "a photo of a {}.",
      .wordNetFolders(train: nil, test: "", .numbers, classCount: nil)),
    Entry("ImageNetSketch", "imagenet-sketch", "images", "a sketch of a {}.", testFolders()),
    Entry("ImageNetA", "imagenet-adversarial", "imagenet-a", "a bad photo of a {}.", testFolders(classCount: 200)),
    Entry("ImageNetR", "imagenet-rendition", "imagenet-r", "a rendition of a {}.", testFolders(classCount: 200)),
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
      remedy: near.map { "did you mean \($0)?" }
        ?? "say how it is laid out with data.split_file, data.manifest or data.layout, or choose one of \(known)")
  }

  private static func folded(_ name: String) -> String {
    name.lowercased().filter { $0 != "_" && $0 != "-" }
  }
}
