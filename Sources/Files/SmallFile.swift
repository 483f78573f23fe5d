import Diagnostics
import Foundation

/// Files that are read whole: vocabularies, configurations, lists.
package enum SmallFile {
  /// All bytes of a regular file.
  ///
  /// `what` is what messages call it ("the split file"), `remedy` what to do when it is not there. Throws
  /// `.missingInput` when there is none, `.badData` when it is something else or longer than `limit` bytes (nothing is
  /// read then), `.inputOutput` when reading fails.
  package static func bytes(
    of url: URL, limit: Int, what: String = "the file", remedy: String = "check the path"
  ) throws -> [UInt8] {
    let file = try Descriptor.reading(url.path, what: what, remedy: remedy)
    let size = try file.size()
    guard size <= limit else {
      throw Failure(
        .badData, at: url.path, "\(what) has \(size) bytes; it may have at most \(readable(limit))",
        remedy: "check that it is the right file")
    }
    return try [UInt8](unsafeUninitializedCapacity: size) { buffer, count in
      let content = UnsafeMutableRawBufferPointer(rebasing: UnsafeMutableRawBufferPointer(buffer)[..<size])
      try file.read(into: content, at: 0)
      count = size
    }
  }

  private static func readable(_ limit: Int) -> String {
    limit.isMultiple(of: 1 << 20) ? "\(limit >> 20) MiB" : "\(limit) bytes"
  }
}
