import Diagnostics
import Files
import Foundation

/// A folder of entries with a budget, used by several processes at once.
///
/// Entries are made and deleted under a lock on the folder. An entry that anybody has open stays; of the others those go
/// first that were not opened for longest.
public struct CacheFolder: Sendable {
  /// Why there is no entry.
  public enum Refusal: Error, Sendable, Equatable {
    /// The budget is spent by it alone, or by entries in use.
    case budget(needed: Int, budget: Int)
    /// Another process held the lock for too long.
    case busy
    /// The disk is full, or the folder cannot be written to.
    case disk(Failure)
  }

  /// What is known of an entry without opening it.
  public struct Listing: Sendable, Equatable {
    /// What it is for.
    public var description: EntryDescription
    /// Images whose features are there.
    public var present: Int
    /// Whether a process has it open.
    public var isInUse: Bool
    /// When it was last opened or written to.
    public var lastUse: Date
  }

  /// Where it is.
  public let url: URL
  /// Bytes that all files may take together; nil for no limit.
  public let budget: Int?

  private static let lockName = ".lock"
  private static let partialSuffix = ".partial"
  private static let patience = 5.0

  /// A folder, made when it is first written to.
  public init(_ url: URL, budget: Int?) {
    self.url = url
    self.budget = budget
  }

  /// The entry, if there is one; one that is no whole entry of these features is deleted, and `onDamage` told.
  public func existing(_ description: EntryDescription, onDamage: (Failure) -> Void) -> FeatureEntry? {
    let path = self.path(description)
    do {
      return try FeatureEntry.open(description, at: path)
    } catch {
      onDamage(Failure(.badData, at: path, "the kept features are damaged, and made anew"))
      unlink(path)
      return nil
    }
  }

  /// The entry, made where there is none.
  ///
  /// Throws `Refusal`.
  public func entry(_ description: EntryDescription, onDamage: (Failure) -> Void) throws(Refusal) -> FeatureEntry {
    if let entry = existing(description, onDamage: onDamage) { return entry }
    if let budget, description.fileSize > budget { throw .budget(needed: description.fileSize, budget: budget) }
    let lock = try locked()
    let entry = try entryWhileLocked(description, onDamage)
    _ = consume lock
    return entry
  }

  private func entryWhileLocked(
    _ description: EntryDescription, _ onDamage: (Failure) -> Void
  ) throws(Refusal) -> FeatureEntry {
    if let entry = existing(description, onDamage: onDamage) { return entry }
    try makeRoom(for: description.fileSize)
    do {
      return try create(description)
    } catch {
      throw .disk(error as? Failure ?? Failure(.inputOutput, at: url.path, "\(error)"))
    }
  }

  private func create(_ description: EntryDescription) throws -> FeatureEntry {
    // Under another name until its header is there.
    let aside = url.appendingPathComponent(".\(UUID().uuidString)\(Self.partialSuffix)").path
    let entry = try FeatureEntry.create(description, at: aside)
    guard rename(aside, path(description)) == 0 else {
      let failure = Failure.system(.cannotCreate, "the file cannot be put in its place", url.path)
      unlink(aside)
      throw failure
    }
    return entry
  }

  private func path(_ description: EntryDescription) -> String {
    url.appendingPathComponent(description.fileName).path
  }

  /// The lock on the folder, which others wait for a few seconds at most.
  private func locked() throws(Refusal) -> MarkerLock {
    let marker: Descriptor
    do {
      try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
      marker = try Descriptor.marker(url.appendingPathComponent(Self.lockName).path)
    } catch {
      throw .disk(
        error as? Failure
          ?? Failure(.cannotCreate, at: url.path, "the folder cannot be created", remedy: "choose another folder"))
    }
    let end = ContinuousClock.now.advanced(by: .seconds(Self.patience))
    while !marker.lock(.exclusive) {
      guard ContinuousClock.now < end else { throw .busy }
      usleep(5000)
    }
    return MarkerLock(marker)
  }

  /// Deletes what nobody uses, the longest unused first, until so many bytes fit; with what dead processes left half made.
  private func makeRoom(for size: Int) throws(Refusal) {
    var files = files()
    for file in files where file.path.hasSuffix(Self.partialSuffix) { unlink(file.path) }
    guard let budget else { return }
    files = files.filter { $0.path.hasSuffix(EntryFormat.suffix) }.sorted { $0.lastUse < $1.lastUse }
    var total = files.reduce(0) { $0 + $1.size }
    for file in files where total > budget - size {
      if delete(file.path) { total -= file.size }
    }
    guard total <= budget - size else { throw .budget(needed: size, budget: budget) }
  }

  /// Deletes an entry unless it is in use, and tells whether it is gone.
  private func delete(_ path: String) -> Bool {
    guard let file = Descriptor.updating(path) else { return true }
    return file.lock(.exclusive) && unlink(path) == 0
  }
}

/// A lock on a folder, as long as it lives.
private struct MarkerLock: ~Copyable {
  let marker: Descriptor

  init(_ marker: consuming Descriptor) { self.marker = marker }
}

// MARK: - Looking into it

extension CacheFolder {
  private struct File {
    let path: String
    let size: Int
    let lastUse: Date
  }

  /// Regular files in the folder; none where there is no such folder.
  private func files() -> [File] {
    let keys: Set<URLResourceKey> = [.isRegularFileKey, .fileSizeKey, .contentModificationDateKey]
    let urls = (try? FileManager.default.contentsOfDirectory(at: url, includingPropertiesForKeys: Array(keys))) ?? []
    return urls.compactMap { url in
      guard let values = try? url.resourceValues(forKeys: keys), values.isRegularFile == true else { return nil }
      return File(
        path: url.path, size: values.fileSize ?? 0, lastUse: values.contentModificationDate ?? .distantPast)
    }
  }

  /// All entries, the one last used first; what is no whole entry is left out.
  public func list() -> [Listing] {
    files().filter { $0.path.hasSuffix(EntryFormat.suffix) }.sorted { $0.lastUse > $1.lastUse }.compactMap { file in
      guard let listed = try? FeatureEntry.look(at: file.path) else { return nil }
      return Listing(
        description: listed.description, present: listed.present, isInUse: isInUse(file.path), lastUse: file.lastUse)
    }
  }

  private func isInUse(_ path: String) -> Bool {
    guard let file = Descriptor.updating(path) else { return false }
    return !file.lock(.exclusive)
  }

  /// Deletes all entries that nobody uses, damaged ones too, and returns how many and their bytes, and how many stay.
  ///
  /// Throws `Refusal`.
  public func clear() throws(Refusal) -> (deleted: Int, bytes: Int, kept: Int) {
    guard FileManager.default.fileExists(atPath: url.path) else { return (0, 0, 0) }
    let lock = try locked()
    var result = (deleted: 0, bytes: 0, kept: 0)
    for file in files() where file.path.hasSuffix(EntryFormat.suffix) || file.path.hasSuffix(Self.partialSuffix) {
      if delete(file.path) {
        result.deleted += 1
        result.bytes += file.size
      } else {
        result.kept += 1
      }
    }
    _ = consume lock
    return result
  }
}
