import Diagnostics
import Files
import Foundation

/// The folder of a job that is more than one run: its tables, and what it needs to go on after it was stopped.
///
/// A lock is held as long as the object lives; one rank alone claims.
public final class JobDirectory: Sendable {
  /// What the folder is of.
  public enum Kind: String, Sendable {
    /// Runs of protocols lie in it, each in a folder of its own.
    case runProtocol = "protocol"
    /// Tests of many models.
    case evaluation

    var marker: String { ".skiptune-\(rawValue)" }
    var option: String { self == .runProtocol ? "--run-dir" : "--output-dir" }
  }

  /// The folder.
  public let url: URL
  private let lock: FolderLock

  /// Creates the folder, or takes one that was made so.
  ///
  /// Throws `Failure(.cannotCreate)` for a folder that holds other things, such as a single run, and where another process
  /// works in it.
  public init(claiming folder: URL, of kind: Kind) throws {
    let files = FileManager.default
    do {
      try files.createDirectory(at: folder, withIntermediateDirectories: true)
      let entries = try files.contentsOfDirectory(atPath: folder.path)
      guard entries.isEmpty || entries.contains(kind.marker) else {
        throw Failure(
          .cannotCreate, at: folder.path,
          "the folder holds files that are not of \(kind == .evaluation ? "an" : "a") \(kind.rawValue), such as \(entries.sorted()[0])",
          remedy: "give an empty or new \(kind.option)")
      }
    } catch let failure as Failure {
      throw failure
    } catch {
      throw Failure(
        .cannotCreate, at: folder.path, "the folder of the \(kind.rawValue) cannot be created or read",
        remedy: "give another \(kind.option)")
    }
    lock = try FolderLock(folder, marker: kind.marker, what: "this \(kind.rawValue)")
    url = folder
  }

  /// Writes a file that is there whole or not at all.
  public func write(_ text: String, to name: String) throws {
    try AtomicFile.write(Data(text.utf8), to: url.appendingPathComponent(name))
  }
}
