import Foundation

/// A whole input that inputs are made from.
struct FuzzSeed {
  /// Which file of the reader's folder it stands for.
  var file: String
  var bytes: [UInt8]
  /// Whether the reader must accept it as it is; some goldens are there to be refused.
  var isValid = true

  init(_ file: String, _ bytes: some Sequence<UInt8>, isValid: Bool = true) {
    (self.file, self.bytes, self.isValid) = (file, Array(bytes), isValid)
  }

  init(_ file: String, _ text: String) { self.init(file, Array(text.utf8)) }

  init(_ file: String, contentsOf url: URL, isValid: Bool = true) throws {
    self.init(file, try Data(contentsOf: url), isValid: isValid)
  }
}

/// A reader of what comes from outside, and what its inputs are made from.
struct FuzzReader {
  typealias Repair = (inout [UInt8], FuzzSeed) -> Void

  var seeds: [FuzzSeed]
  /// Words of the format.
  var words: [String] = []
  /// What nests in the format: what opens one level.
  var nesting: [String] = []
  /// Makes checksums right, so that what lies behind them is reached; three of four inputs are repaired.
  var repair: Repair?
  /// Reads an input as the program does, values and all; throws what the reader throws.
  var read: (_ bytes: [UInt8], _ file: String) throws -> Void
}

/// A folder of files of which one at a time is replaced by an input.
final class FolderUnderTest {
  let url: URL
  private var originals: [String: [UInt8]] = [:]
  private var replaced: String?

  init(_ url: URL) throws {
    self.url = url
    try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
  }

  func file(_ name: String) -> URL { url.appending(path: name) }

  /// Adds a file that inputs are read beside.
  func add(_ name: String, _ bytes: [UInt8]) throws {
    originals[name] = bytes
    try FileManager.default.createDirectory(
      at: file(name).deletingLastPathComponent(), withIntermediateDirectories: true)
    try overwrite(name, bytes)
  }

  /// Adds a seed of each of these files, and gives the seeds.
  func adding(_ seeds: [FuzzSeed]) throws -> [FuzzSeed] {
    for seed in seeds where originals[seed.file] == nil { try add(seed.file, seed.bytes) }
    return seeds
  }

  /// Puts an input at a file's place; all other files are as they were added.
  @discardableResult
  func replace(_ name: String, _ bytes: [UInt8]) throws -> URL {
    if let replaced, replaced != name, let original = originals[replaced] { try overwrite(replaced, original) }
    replaced = name
    try overwrite(name, bytes)
    return file(name)
  }

  private func overwrite(_ name: String, _ bytes: [UInt8]) throws {
    try Data(bytes).write(to: file(name))
  }
}
