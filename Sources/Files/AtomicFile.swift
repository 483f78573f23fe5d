import Diagnostics
import Foundation

/// Files that are there whole or not at all.
package enum AtomicFile {
  /// Writes a file as `replace(_:isDurable:_:)` does.
  package static func write(_ content: some ContiguousBytes, to file: URL, isDurable: Bool = true) throws {
    try replace(file, isDurable: isDurable) { descriptor in try content.withUnsafeBytes { try descriptor.write($0) } }
  }

  /// Writes a file aside in the same folder, syncs it, renames it into place and syncs the folder.
  ///
  /// What was there is replaced. A file that need not outlive a crash of the machine is not synced.
  ///
  /// Throws what `body` throws, `Failure(.cannotCreate)` when the folder does not take the file, and
  /// `Failure(.inputOutput)` when writing fails part-way. What was there then stays, and nothing is left beside it.
  package static func replace(
    _ file: URL, isDurable: Bool = true, _ body: (borrowing Descriptor) throws -> Void
  ) throws {
    let aside = placeAside(file)
    // Failures name the file that was asked for.
    let descriptor = try Descriptor.creating(aside.path, knownAs: file.path)
    do {
      try body(descriptor)
      if isDurable { try descriptor.synchronize() }
      try descriptor.close()
      try move(aside, to: file, "the file cannot be put in its place")
    } catch {
      unlink(aside.path)
      throw error
    }
    if isDurable { try Descriptor.synchronize(folder: file.deletingLastPathComponent()) }
  }
}

/// Folders that are there whole or not at all.
package enum AtomicFolder {
  /// Has a new folder filled aside, syncs its names, renames it into place and syncs the folder around it.
  ///
  /// `fill` gets the place aside and syncs what it writes there. Throws what `fill` throws, and
  /// `Failure(.cannotCreate)` when the folder cannot be made or there is something at its place already; nothing is
  /// left aside then.
  package static func create(_ folder: URL, _ fill: (URL) throws -> Void) throws {
    let aside = placeAside(folder)
    guard mkdir(aside.path, 0o777) == 0 else {
      throw Failure.system(.cannotCreate, "the folder cannot be created", folder.path)
    }
    do {
      try fill(aside)
      try Descriptor.synchronize(folder: aside)
      try move(aside, to: folder, "the folder cannot be put in its place")
    } catch {
      try? FileManager.default.removeItem(at: aside)
      throw error
    }
    try Descriptor.synchronize(folder: folder.deletingLastPathComponent())
  }
}

/// A name beside `place` that no other process uses, on this machine or another that shares the disk.
private func placeAside(_ place: URL) -> URL {
  place.deletingLastPathComponent()
    .appendingPathComponent(".\(place.lastPathComponent).\(UUID().uuidString).partial")
}

private func move(_ aside: URL, to place: URL, _ problem: String) throws {
  guard rename(aside.path, place.path) == 0 else {
    throw Failure.system(.cannotCreate, problem, place.path)
  }
}
