import Configuration
import Foundation
import Kernels

/// How the features of an epoch's images are kept until the steps that need them.
struct FeatureSettings: Sendable {
  var storage: StoragePrecision
  /// Bytes that each rank keeps in memory; nil for all.
  var memoryBytes: Int?
  /// Where the rest is kept.
  var folder: URL

  init(_ reader: SettingsReader) throws {
    storage = try reader.choice(
      "storage", default: StoragePrecision.float32,
      "what image features are rounded to from their extraction to their step; 16 bits halve their memory")
    let megabytes = try reader.optionalNumber(
      "memory_mb", in: 0..., "MB of features that each rank keeps in memory, the rest in a file; default: all")
    // Up to where a number of bytes is exact.
    memoryBytes = megabytes.map { Int(min($0 * 1e6, 0x1p53)) }
    folder =
      try reader.optionalPath(
        "folder", "where features beyond memory_mb are kept, on a disk of this host; default: TMPDIR, else /var/tmp")
      ?? URL(fileURLWithPath: ProcessInfo.processInfo.environment["TMPDIR"] ?? "/var/tmp")
  }

  /// Images of which features lie in memory, and in the file, where there are `count` of so many elements each.
  func split(_ count: Int, elementsPerImage: Int) -> (memory: Int, file: Int) {
    let fitting = memoryBytes.map { $0 / max(1, elementsPerImage * storage.byteCount) } ?? count
    return (min(count, fitting), max(0, count - fitting))
  }
}
