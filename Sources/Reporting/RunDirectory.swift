import Diagnostics
import Files
import Foundation

/// The folder of one run.
///
/// Nothing in it is ever deleted: what an unfinished run left is moved aside, a finished run is kept.
///
/// A lock is held as long as the object lives, so that two processes never write to one run; one rank alone claims.
public final class RunDirectory: Sendable {
  /// What to do with the files of an earlier run that did not finish.
  public enum EarlierRun: String, CaseIterable, Sendable {
    /// Move them to `previous-<n>/` within the folder.
    case moveAside = "move_aside"
    /// Leave them: the run goes on from them.
    case keep
    /// Do not start.
    case refuse
  }

  /// Names a folder as a run of skiptune, and is what the lock is on.
  static let marker = ".skiptune-run"
  /// The last file of a run that finished.
  static let completed = "COMPLETED"

  /// The folder.
  public let url: URL
  private let lock: FolderLock

  /// Creates the folder, or takes over that of an unfinished run.
  ///
  /// `earlier` is asked for once nobody else can change the folder.
  ///
  /// - Throws: `Failure(.cannotCreate)` for a finished run, a run that another process works on, and a folder that
  ///   holds other things.
  public init(claiming folder: URL, earlier: @autoclosure () -> EarlierRun = .moveAside) throws {
    try Self.create(folder)
    try Self.checkIsFree(try Self.entries(of: folder), folder)
    lock = try FolderLock(folder, marker: Self.marker, what: "this run")
    url = folder
    try Self.settle(earlier(), in: folder)
  }

  /// Whether the run in a folder finished.
  public static func isCompleted(_ folder: URL) -> Bool {
    FileManager.default.fileExists(atPath: folder.appendingPathComponent(completed).path)
  }

  /// Whether a process works on the run in a folder, as far as the file system tells.
  package static func isInUse(_ folder: URL) -> Bool { FolderLock.isHeld(folder, marker: marker) }

  /// The file or folder of that name within the run.
  public func file(_ name: String) -> URL { url.appendingPathComponent(name) }

  /// Writes a file that is there whole or not at all.
  ///
  /// - Throws: `Failure(.cannotCreate)` or `Failure(.inputOutput)`.
  public func writeAtomically(_ data: Data, _ name: String) throws {
    precondition(!name.isEmpty && !name.contains("/"), "\(name) is not the name of a file")
    try AtomicFile.write(data, to: file(name))
  }

  /// Marks the run as finished; the last thing that is written.
  public func complete(_ note: String = "") throws {
    try writeAtomically(Data((note.isEmpty ? "" : note + "\n").utf8), Self.completed)
  }

  // MARK: Claiming

  private static func create(_ folder: URL) throws {
    var missing: [URL] = []
    var parent = folder.standardizedFileURL
    while !FileManager.default.fileExists(atPath: parent.path), parent.path != "/" {
      missing.append(parent)
      parent.deleteLastPathComponent()
    }
    for folder in missing.reversed() where mkdir(folder.path, 0o755) != 0 && errno != EEXIST {
      throw Failure.system(.cannotCreate, "the run directory cannot be created", folder.path)
    }
  }

  private static func entries(of folder: URL) throws -> [String] {
    do {
      return try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted()
    } catch {
      throw Failure(
        .cannotCreate, at: folder.path, "the run directory is not a folder that can be read",
        remedy: "give another --run-dir")
    }
  }

  private static func checkIsFree(_ entries: [String], _ folder: URL) throws {
    if entries.contains(completed) {
      throw Failure(
        .cannotCreate, at: folder.path, "this run is finished (it holds \(completed)) and is never overwritten",
        remedy: "give another --run-dir, or move the folder away")
    }
    if !entries.isEmpty, !entries.contains(marker) {
      throw Failure(
        .cannotCreate, at: folder.path, "the folder holds files that are not of a skiptune run, such as \(entries[0])",
        remedy: "give an empty or new --run-dir")
    }
  }

  /// Deals with what an earlier run left; only under the lock is it certain that no other process changes the folder.
  private static func settle(_ earlier: EarlierRun, in folder: URL) throws {
    let entries = try entries(of: folder)
    try checkIsFree(entries, folder)
    let left = entries.filter { $0 != marker && previousNumber($0) == nil }
    if left.isEmpty || earlier == .keep { return }
    if earlier == .refuse {
      throw Failure(
        .cannotCreate, at: folder.path, "an earlier run is here that did not finish",
        remedy: "resume it, or give another --run-dir")
    }
    try moveAside(left, in: folder, number: (entries.compactMap(previousNumber).max() ?? 0) + 1)
  }

  /// n of `previous-<n>`.
  private static func previousNumber(_ name: String) -> Int? {
    name.hasPrefix("previous-")
      ? Int(name.dropFirst("previous-".count)).flatMap { $0 > 0 && $0 < 1 << 30 ? $0 : nil } : nil
  }

  private static func moveAside(_ names: [String], in folder: URL, number: Int) throws {
    let target = folder.appendingPathComponent("previous-\(number)")
    guard mkdir(target.path, 0o755) == 0 else {
      throw Failure.system(.cannotCreate, "the folder cannot be created", target.path)
    }
    for name in names {
      let from = folder.appendingPathComponent(name).path
      guard rename(from, target.appendingPathComponent(name).path) == 0 else {
        throw Failure.system(.cannotCreate, "the file of an earlier run cannot be moved aside", from)
      }
    }
    try Descriptor.synchronize(folder: folder)
  }
}
