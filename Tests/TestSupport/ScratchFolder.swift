import Foundation

/// A new folder for files of a test, deleted with its owner.
public final class ScratchFolder: Sendable {
  /// Where it is.
  public let url: URL

  /// Creates the folder.
  public init() throws {
    url = FileManager.default.temporaryDirectory.appendingPathComponent("skiptune-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
  }

  deinit { try? FileManager.default.removeItem(at: url) }

  /// The path of that name within the folder.
  public func file(_ name: String) -> URL { url.appendingPathComponent(name) }
}

/// Runs `body` with a new folder that is deleted afterwards.
public func withScratchFolder<Result>(_ body: (URL) throws -> Result) throws -> Result {
  let folder = try ScratchFolder()
  return try withExtendedLifetime(folder) { try body(folder.url) }
}

extension URL {
  /// Every file and folder below this one with the file's bytes (nil for folders), by path relative to it; empty where
  /// this does not exist.
  public func contents() throws -> [String: Data?] {
    guard FileManager.default.fileExists(atPath: path) else { return [:] }
    var contents: [String: Data?] = [:]
    for name in try FileManager.default.subpathsOfDirectory(atPath: path) {
      let file = appendingPathComponent(name)
      let type = try FileManager.default.attributesOfItem(atPath: file.path)[.type] as? FileAttributeType
      contents.updateValue(type == .typeDirectory ? nil : try Data(contentsOf: file), forKey: name)
    }
    return contents
  }
}
