import Diagnostics
import Files
import Foundation

/// The folder that the runs of protocols lie in, each in a folder of its own, and their tables beside them.
///
/// A lock is held as long as the object lives; one rank alone claims.
public final class ProtocolDirectory: Sendable {
  private static let marker = ".skiptune-protocol"

  /// The folder.
  public let url: URL
  private let lock: FolderLock

  /// Creates the folder, or takes one that was made so.
  ///
  /// Throws `Failure(.cannotCreate)` for a folder that holds other things, such as a single run, and where another process
  /// works in it.
  public init(claiming folder: URL) throws {
    let files = FileManager.default
    do {
      try files.createDirectory(at: folder, withIntermediateDirectories: true)
      let entries = try files.contentsOfDirectory(atPath: folder.path)
      guard entries.isEmpty || entries.contains(Self.marker) else {
        throw Failure(
          .cannotCreate, at: folder.path,
          "the folder holds files that are not of a protocol, such as \(entries.sorted()[0])",
          remedy: "give an empty or new --run-dir")
      }
    } catch let failure as Failure {
      throw failure
    } catch {
      throw Failure(
        .cannotCreate, at: folder.path, "the folder of the protocol cannot be created or read",
        remedy: "give another --run-dir")
    }
    lock = try FolderLock(folder, marker: Self.marker, what: "this protocol")
    url = folder
  }

  /// Writes a file that is there whole or not at all.
  public func write(_ text: String, to name: String) throws {
    try AtomicFile.write(Data(text.utf8), to: url.appendingPathComponent(name))
  }
}
