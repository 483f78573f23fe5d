import Diagnostics
import Files
import Foundation
import ShardFiles

/// A complete checkpoint on the disk.
package struct Checkpoint: Sendable {
  /// The folder that holds it.
  package let folder: URL
  /// What it says of itself, checked.
  package let manifest: CheckpointManifest
  /// Of the manifest's bytes, and so, with the hashes in it, of everything.
  package let hash: Hash128

  /// Reads and checks the manifest of a checkpoint; the shards are not looked at.
  ///
  /// Throws `Failure(.missingInput)` where there is none, `.badData` where it is damaged.
  package init(reading folder: URL) throws {
    try self.init(folder, manifestBytes: try Self.manifestBytes(folder))
  }

  init(_ folder: URL, manifestBytes: [UInt8]) throws {
    self.folder = folder
    hash = manifestBytes.withUnsafeBytes { Hash128(of: $0) }
    let place = folder.appendingPathComponent(CheckpointName.manifest).path
    manifest = try ManifestText.manifest(manifestBytes, at: place)
    // A folder that was given another name on purpose may hold any step.
    if let step = CheckpointName.step(of: folder.lastPathComponent), step != manifest.step {
      throw Failure(
        .badData, at: place, "the manifest is that of step \(manifest.step)", remedy: "use another checkpoint")
    }
  }

  static func manifestBytes(_ folder: URL) throws -> [UInt8] {
    try SmallFile.bytes(
      of: folder.appendingPathComponent(CheckpointName.manifest), limit: ManifestText.largest,
      what: "the manifest of the checkpoint", remedy: "use another checkpoint")
  }

  /// The folder's name.
  package var name: String { folder.lastPathComponent }

  /// The file that a rank wrote.
  package func shardFile(_ rank: Int) -> URL {
    folder.appendingPathComponent(CheckpointName.shard(rank, of: manifest.worldSize))
  }

  func shard(_ rank: Int) throws -> ShardReader {
    try ShardReader(shardFile(rank), expecting: manifest.shards[rank])
  }

  // MARK: Checking

  /// How much of the shards a check looks at.
  package enum Depth: Sendable {
    /// That they are there, and their sizes and headers.
    case sizes
    /// The hashes too, so all bytes are read.
    case hashes
    /// Every frame is decompressed as well.
    case frames
  }

  /// Compares the shards with the manifest.
  ///
  /// Throws `Failure` that names what is missing, damaged or too much.
  package func verify(_ depth: Depth) throws {
    try checkNoOtherShards()
    for rank in manifest.shards.indices { try verifyShard(rank, depth) }
  }

  func verifyShard(_ rank: Int, _ depth: Depth) throws {
    let shard = try shard(rank)
    if depth != .sizes { try shard.verifyHash() }
    if depth == .frames { try shard.verifyFrames() }
  }

  /// A shard that the manifest does not know is a sign of two checkpoints in one folder.
  func checkNoOtherShards() throws {
    let known = Set(manifest.shards.indices.map { CheckpointName.shard($0, of: manifest.worldSize) })
    for name in try Folder.entries(folder) where name.hasPrefix("shard-") && !known.contains(name) {
      throw Failure(
        .badData, at: folder.appendingPathComponent(name).path,
        "the manifest of the checkpoint does not know this shard",
        remedy: "remove it if it does not belong here, or use another checkpoint")
    }
  }
}

/// Folders that may be changed or missing while they are looked at.
enum Folder {
  /// Names in a folder, sorted.
  static func entries(_ folder: URL) throws -> [String] {
    do {
      return try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted()
    } catch {
      throw Failure(
        .inputOutput, at: folder.path, "the folder cannot be read", remedy: "check the path and its permissions")
    }
  }

  static func exists(_ path: URL) -> Bool {
    var status = stat()
    return lstat(path.path, &status) == 0
  }
}
