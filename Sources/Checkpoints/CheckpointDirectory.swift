import Collectives
import Diagnostics
import Files
import Foundation
import ShardFiles

/// The folder `<run>/checkpoints`.
///
/// A checkpoint is a folder `step-00001200` that appears, complete, by one rename; a folder of that name is never changed
/// afterwards, only renamed before it is deleted. So whatever moment a run dies at, the newest folder of such a name is whole.
///
/// One run at a time may write: hold the run directory's lock.
package struct CheckpointDirectory: Sendable {
  /// The folder.
  package let url: URL
  let faults: FaultPoints

  /// The folder at `url`, which need not be there yet.
  package init(_ url: URL) { self.init(url, faults: .none) }

  /// As `init(_:)`, for tests that make changes of the file system fail.
  package init(_ url: URL, faults: FaultPoints) {
    self.url = url
    self.faults = faults
  }

  /// Makes the folder where there is none, and removes what dead writers left in it.
  ///
  /// Returns the names of what was removed on rank 0, nothing on other ranks. Throws the same `Failure` on all ranks when
  /// the folder cannot be written to. Collective: all ranks call this in the same order.
  @discardableResult
  package func prepare(_ collectives: any Collectives) throws -> [String] {
    try collectives.agree {
      guard collectives.rank == 0 else { return [] }
      try create()
      let leftovers = try Folder.entries(url).filter(CheckpointName.isLeftover)
      for name in leftovers { try remove(url.appendingPathComponent(name)) }
      return leftovers
    }
  }

  /// The folder that a step's complete checkpoint has.
  package func folder(step: Int) -> URL { url.appendingPathComponent(CheckpointName.folder(step: step)) }

  /// The checkpoint that the `latest` file names; nil where there is no such file.
  ///
  /// Throws `Failure(.badData)` where the file names none.
  package func latestName() throws -> String? { try name(in: CheckpointName.latest) }

  /// The checkpoint that the `best` file names, as `latestName`.
  package func bestName() throws -> String? { try name(in: CheckpointName.best) }

  func name(in pointer: String) throws -> String? {
    let file = url.appendingPathComponent(pointer)
    guard Folder.exists(file) else { return nil }
    let bytes = try SmallFile.bytes(of: file, limit: 256, what: "the pointer to the \(pointer) checkpoint")
    let text = String(decoding: bytes, as: UTF8.self)
    let name = text.hasSuffix("\n") ? String(text.dropLast()) : text
    guard CheckpointName.step(of: name) != nil else {
      throw Failure(
        .badData, at: file.path, "the file names \(quoted(name)), which is no name of a checkpoint",
        remedy: "remove the file; the newest checkpoint is found without it")
    }
    return name
  }

  /// Names of the folders that are called as complete checkpoints are, newest first; none where there is no folder.
  func checkpointNames() throws -> [String] {
    guard Folder.exists(url) else { return [] }
    return try Folder.entries(url)
      .compactMap { name in CheckpointName.step(of: name).map { (name: name, step: $0) } }
      .sorted { $0.step > $1.step }
      .map(\.name)
  }

  /// Whether there is something that is called as a checkpoint is, whole or damaged.
  package var holdsCheckpoints: Bool { (try? checkpointNames().isEmpty) == false }

  /// Whether a folder is that of a checkpoint in this one.
  package func holds(_ checkpoint: URL) -> Bool {
    let parent = checkpoint.standardizedFileURL.deletingLastPathComponent()
    return parent.resolvingSymlinksInPath().path == url.standardizedFileURL.resolvingSymlinksInPath().path
  }

  /// Moves the checkpoints of later steps aside, to `step-….superseded-…`, and returns their names.
  ///
  /// For runs that go on from an older one: what they save from now on is another history, and must not be taken for the
  /// one that is left. For one rank alone. Throws `Failure` when the disk fails.
  package func supersede(after step: Int) throws -> [String] {
    let later = try checkpointNames().filter { CheckpointName.step(of: $0)! > step }
    for name in later {
      try rename(name, to: CheckpointName.superseded(name, token: UUID().uuidString.lowercased()))
    }
    if let last = try checkpointNames().first, !later.isEmpty { try point(to: last) }
    if let best = try? bestName(), later.contains(best) { try remove(url.appendingPathComponent(CheckpointName.best)) }
    return later
  }

  // MARK: Changing the file system

  private func create() throws {
    try faults.before("create \(url.lastPathComponent)")
    do {
      try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
    } catch {
      throw Failure(
        .cannotCreate, at: url.path, "the folder of checkpoints cannot be created: \(error.localizedDescription)",
        remedy: "choose a folder that you may write to")
    }
  }

  func makeFolder(_ folder: URL) throws {
    try faults.before("create \(folder.lastPathComponent)")
    guard mkdir(folder.path, 0o777) == 0 else {
      throw Failure.system(.cannotCreate, "the checkpoint cannot be created", folder.path)
    }
  }

  /// Renames within the folder; what is renamed onto must not be there.
  func rename(_ name: String, to newName: String) throws {
    let (old, new) = (url.appendingPathComponent(name), url.appendingPathComponent(newName))
    try faults.before("rename \(name)")
    guard !Folder.exists(new) else {
      throw Failure(.cannotCreate, at: new.path, "there is something of that name already", remedy: "move it away")
    }
    guard Foundation.rename(old.path, new.path) == 0 else {
      throw Failure.system(.inputOutput, "the checkpoint cannot be put in its place", new.path)
    }
    try synchronize(url)
  }

  func synchronize(_ folder: URL) throws {
    try faults.before("sync \(folder.lastPathComponent)")
    try Descriptor.synchronize(folder: folder)
  }

  /// Deletes a file, or a folder and what is in it.
  func remove(_ item: URL) throws {
    var status = stat()
    guard lstat(item.path, &status) == 0 else { return }
    let isFolder = status.st_mode & S_IFMT == S_IFDIR
    if isFolder {
      for name in try Folder.entries(item) { try remove(item.appendingPathComponent(name)) }
    }
    try faults.before("remove \(item.lastPathComponent)")
    guard (isFolder ? rmdir(item.path) : unlink(item.path)) == 0 || errno == ENOENT else {
      throw Failure.system(.inputOutput, "it cannot be removed", item.path)
    }
  }
}
