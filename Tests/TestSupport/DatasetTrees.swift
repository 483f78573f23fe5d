import Foundation

/// Small trees in the layouts of the known data sets and of users' own, and what is to be read from them, by
/// Tests/Reference/datasets_goldens.py.
public enum DatasetTrees {
  /// One data set on a disk.
  public struct Tree: Decodable, Sendable {
    /// In the data root.
    public let folder: String
    /// Contents by path.
    public let texts: [String: String]
    /// Paths.
    public let images: [String]

    /// Writes the files below `root`.
    ///
    /// `image` gives the content of the image with that number among the tree's.
    public func write(to root: URL, image: (Int) -> Data = { _ in Data("image".utf8) }) throws {
      let folder = root.appendingPathComponent(folder)
      for (path, text) in texts { try Self.write(Data(text.utf8), folder.appendingPathComponent(path)) }
      for (number, path) in images.enumerated() {
        try Self.write(image(number), folder.appendingPathComponent(path))
      }
    }

    private static func write(_ data: Data, _ file: URL) throws {
      try FileManager.default.createDirectory(
        at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
      try data.write(to: file)
    }
  }

  /// What an independent reader finds in a tree.
  public struct Items: Decodable, Sendable {
    /// The index is the label.
    public let class_names: [String]
    /// The lists.
    public let train, val, test: [Item]
    /// What CPython draws from them.
    public let subsets: [Subset]
  }

  /// `[path, label, class name]`.
  public struct Item: Decodable, Sendable {
    /// Relative to the image root.
    public let path: String
    /// From 0.
    public let label: Int
    /// As the data set writes it.
    public let className: String

    /// Reads the list of three.
    public init(from decoder: any Decoder) throws {
      var fields = try decoder.unkeyedContainer()
      path = try fields.decode(String.self)
      label = try fields.decode(Int.self)
      className = try fields.decode(String.self)
    }
  }

  /// Positions in the lists of a tree.
  public struct Subset: Decodable, Sendable {
    /// What was drawn.
    public let seed, shots: Int
    /// Which items.
    public let train, validation: [Int]
  }

  /// All trees by name of the data set; those of users' own layouts have lower-case names.
  public static func trees() throws -> [String: Tree] { try read("trees.json") }

  /// What is in them.
  public static func items() throws -> [String: Items] { try read("items.json") }

  private static func read<Content: Decodable>(_ name: String) throws -> Content {
    try JSONDecoder().decode(Content.self, from: Data(contentsOf: Goldens.url("datasets/\(name)")))
  }
}
