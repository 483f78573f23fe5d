import Diagnostics
import Foundation

/// Where one data set lies, how it is read, and the prompt that describes its classes.
public struct DatasetLocation: Sendable, Equatable {
  /// What results and messages call the data set.
  public var name: String
  /// The folder of the data set, in the data root.
  public var folder: URL
  /// The folder that the items' paths start from.
  public var imageRoot: URL
  /// Where the lists are, and of which form.
  public var layout: DatasetLayout
  /// The published prompt of a known data set, or what the user chose.
  public var promptTemplate: PromptTemplate

  /// Finds the data set `name` under `dataRoot`: a known name gives everything, and each setting replaces what it gives.
  ///
  /// - Parameters:
  ///   - name: a name or folder of ``DatasetCatalog``, in any case; or any name together with `layout`.
  ///   - dataRoot: the folder that holds one folder per data set.
  ///   - folder: the data set's folder in the data root (or an absolute path); default: the catalogue's, or the name.
  ///   - imageRoot: where image paths start, relative to the folder; default: the catalogue's, or the folder itself.
  ///   - layout: how it is laid out; default: the catalogue's.
  ///   - promptTemplate: text with one `{}`; default: the published one, or ``PromptTemplate/fallback``.
  ///
  /// Throws `Failure(.usage)` for an unknown name without `layout`, or a template without its `{}`. The disk is not
  /// looked at.
  public init(
    name: String, dataRoot: URL, folder: String? = nil, imageRoot: String? = nil, layout: OwnLayout? = nil,
    promptTemplate: String? = nil
  ) throws {
    let entry = DatasetCatalog.entry(named: name)
    let folder = dataRoot.resolving(folder ?? entry?.folder ?? name)
    guard let found = layout?.layout(in: folder) ?? entry?.layout(in: folder, dataRoot: dataRoot) else {
      throw DatasetCatalog.unknown(name)
    }
    self.name = entry?.name ?? name
    self.folder = folder
    self.imageRoot = folder.resolving(imageRoot ?? entry?.imageRoot ?? "")
    self.layout = found
    self.promptTemplate = try (promptTemplate ?? entry?.promptTemplate).map { try PromptTemplate($0) } ?? .fallback
  }

  /// Reads and judges the lists.
  ///
  /// No image is looked at; see ``Dataset/verifyImagesExist(_:)``.
  ///
  /// Throws the `Failure` of the layout's reader, such as ``SplitFile/init(contentsOf:)``.
  public func read() throws -> Dataset { try layout.read(name: name, imageRoot: imageRoot) }
}
