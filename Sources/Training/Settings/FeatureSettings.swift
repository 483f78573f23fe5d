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
  /// Where features are kept for other epochs, tests and runs; nil for nowhere.
  var cache: URL?
  /// Bytes that the cache may take.
  var cacheBytes: Int

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
        "folder",
        "where features beyond memory_mb, and those of test images, are kept, on a disk of this host; default: TMPDIR, else /var/tmp"
      )
      ?? URL(fileURLWithPath: ProcessInfo.processInfo.environment["TMPDIR"] ?? "/var/tmp")
    cache = try reader.optionalPath(
      "cache", "folder of a host's disk where features are kept for later epochs, tests and runs; default: not kept")
    let budget = try reader.number(
      "cache_mb", default: 10_000, in: 0...,
      "MB that the files in features.cache may take together, or without it those that a run keeps from test to test")
    cacheBytes = Int(min(budget * 1e6, 0x1p53))
  }

  /// Images of which features lie in memory, and in the file, where there are `count` of so many elements each.
  func split(_ count: Int, elementsPerImage: Int) -> (memory: Int, file: Int) {
    let fitting = memoryBytes.map { $0 / max(1, elementsPerImage * storage.byteCount) } ?? count
    return (min(count, fitting), max(0, count - fitting))
  }
}
