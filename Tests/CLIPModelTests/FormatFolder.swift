import Foundation

/// A new folder of small text files that is deleted with its owner.
final class FormatFolder {
  let url = FileManager.default.temporaryDirectory.appendingPathComponent("skiptune-\(UUID().uuidString)")

  init(_ files: [String: String] = [:]) throws {
    try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
    for (name, content) in files { try Data(content.utf8).write(to: url.appendingPathComponent(name)) }
  }

  deinit { try? FileManager.default.removeItem(at: url) }
}
