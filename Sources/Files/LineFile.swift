import Diagnostics
import Foundation
import Synchronization

/// A file that whole lines are appended to, from any thread; a line is in the kernel's hands when `append` returns.
package final class LineFile: Sendable {
  private let file: Mutex<Descriptor>

  /// Opens a file for appending; creates it when it does not exist.
  ///
  /// A last line that was cut off by a crash is ended first, so that what follows stays readable. Throws
  /// `Failure(.cannotCreate)` when it cannot be opened, `Failure(.inputOutput)` when its end cannot be read.
  package init(appendingTo url: URL) throws {
    file = Mutex(try Descriptor.appending(to: url.path))
    if try file.withLock({ try Self.endsWithinLine($0) }) { try append("") }
  }

  /// Appends a line; the newline is added.
  ///
  /// Throws `Failure(.inputOutput)`, for example when the disk is full.
  package func append(_ line: String) throws {
    let bytes = Array((line + "\n").utf8)
    try file.withLock { file in try bytes.withUnsafeBytes { try file.write($0) } }
  }

  /// Waits until everything appended is on the disk.
  package func synchronize() throws { try file.withLock { try $0.synchronizeWherePossible() } }

  private static func endsWithinLine(_ file: borrowing Descriptor) throws -> Bool {
    let size = try file.size()
    guard size > 0 else { return false }
    var last: UInt8 = 0
    try withUnsafeMutableBytes(of: &last) { try file.read(into: $0, at: size - 1) }
    return last != UInt8(ascii: "\n")
  }
}
