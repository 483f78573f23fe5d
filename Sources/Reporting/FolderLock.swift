import Diagnostics
import Files
import Foundation

/// A lock on a folder, held as long as the object lives, by way of a marker file in it.
///
/// File systems without locks are taken at their word: there the user must take care alone.
final class FolderLock: Sendable {
  private let descriptor: Int32

  /// Throws `Failure(.cannotCreate)` where the marker cannot be made, or another process holds the lock: `what` it works on
  /// then, such as "this run".
  init(_ folder: URL, marker: String, what: String) throws {
    descriptor = open(folder.appendingPathComponent(marker).path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o644)
    guard descriptor >= 0 else {
      throw Failure.system(.cannotCreate, "the folder cannot be written to", folder.path)
    }
    guard Self.lock(descriptor) else {
      close(descriptor)
      throw Failure(
        .cannotCreate, at: folder.path, "another process works on \(what)",
        remedy: "wait for it, or give another --run-dir")
    }
  }

  deinit { close(descriptor) }

  /// Takes the lock unless another process holds it for longer than a look takes.
  private static func lock(_ descriptor: Int32) -> Bool {
    for _ in 0..<10 {
      if flock(descriptor, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK { return true }
      usleep(20_000)
    }
    return false
  }

  /// Whether a process holds the lock of a folder.
  static func isHeld(_ folder: URL, marker: String) -> Bool {
    let descriptor = open(folder.appendingPathComponent(marker).path, O_RDWR | O_CLOEXEC | O_NOFOLLOW)
    guard descriptor >= 0 else { return false }
    defer { close(descriptor) }
    return flock(descriptor, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK
  }
}
