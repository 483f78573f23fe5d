import Collectives
import Diagnostics
import Foundation

extension CheckpointDirectory {
  /// The newest checkpoint that is whole, or nil where none was ever completed.
  ///
  /// Each damaged one that is passed over is reported, on all ranks. Throws the same `Failure` on all ranks when there are
  /// checkpoints but not one is whole: starting afresh then is for the user to decide. Collective: all ranks call this in
  /// the same order.
  package func newest(
    _ collectives: any Collectives, passingOver report: (Failure) -> Void = { _ in }
  ) throws -> Checkpoint? {
    let names = try names(collectives).get()
    var first: Failure?
    for name in names {
      switch try Checkpoint.checked(url.appendingPathComponent(name), collectives) {
      case .success(let checkpoint): return checkpoint
      case .failure(let damage):
        report(damage)
        first = first ?? damage
      }
    }
    guard let first else { return nil }
    throw Failure(
      .badData, at: url.path, "all \(names.count) checkpoints are damaged, the newest so: \(first)",
      remedy: "restore one, or move the folder away to start afresh")
  }

  /// The checkpoint that the `latest` file names.
  ///
  /// Throws the same `Failure` on all ranks where there is no such file or the checkpoint is damaged; it offers an older
  /// one that is whole. Collective: all ranks call this in the same order.
  package func latest(_ collectives: any Collectives) throws -> Checkpoint {
    let name = try collectives.share {
      guard let name = try latestName() else {
        throw Failure(
          .missingInput, at: url.path, "there is no file 'latest'", remedy: "resume automatically or name a checkpoint")
      }
      return Array(name.utf8)
    }
    return try checkpoint(at: url.appendingPathComponent(String(decoding: try name.get(), as: UTF8.self)), collectives)
  }

  /// The checkpoint in a folder that the user named.
  ///
  /// Throws as `latest(_:)`. Collective: all ranks call this in the same order.
  package func checkpoint(at folder: URL, _ collectives: any Collectives) throws -> Checkpoint {
    switch try Checkpoint.checked(folder, collectives) {
    case .success(let checkpoint): return checkpoint
    case .failure(var damage):
      let siblings = CheckpointDirectory(folder.standardizedFileURL.deletingLastPathComponent())
      if let other = try siblings.newestOther(than: folder.lastPathComponent, collectives) {
        damage.remedy = "use \(other.folder.path), which is whole"
      }
      throw damage
    }
  }

  private func newestOther(than name: String, _ collectives: any Collectives) throws -> Checkpoint? {
    guard case .success(let names) = try names(collectives) else { return nil }
    for other in names where other != name {
      if case .success(let checkpoint) = try Checkpoint.checked(url.appendingPathComponent(other), collectives) {
        return checkpoint
      }
    }
    return nil
  }

  /// Rank 0's view of the folder, so that all ranks try the same checkpoints.
  private func names(_ collectives: any Collectives) throws -> Result<[String], Failure> {
    try collectives.share { Array(try checkpointNames().joined(separator: "\n").utf8) }
      .map { String(decoding: $0, as: UTF8.self).split(separator: "\n").map(String.init) }
  }
}

extension Checkpoint {
  /// The checkpoint that a path of the user's means: a checkpoint's own folder, the newest whole one of a run directory or
  /// of a folder of checkpoints, or the one that `RUN/best`, `RUN/latest` or such a file in a folder of checkpoints names.
  ///
  /// Each damaged one that is passed over is reported, on all ranks. Throws the same `Failure` on all ranks where there is
  /// none or the one that is named is damaged. Collective: all ranks call this in the same order.
  package static func find(
    _ path: URL, _ collectives: any Collectives, passingOver report: (Failure) -> Void = { _ in }
  ) throws -> Checkpoint {
    let shared = try collectives.share { Array(try CheckpointPlace.followed(path).path.utf8) }.get()
    let path = URL(fileURLWithPath: String(decoding: shared, as: UTF8.self))
    let word = try collectives.share { Array(try CheckpointPlace(path).rawValue.utf8) }.get()
    let place = CheckpointPlace(rawValue: String(decoding: word, as: UTF8.self))!
    let directory = CheckpointDirectory(place.folder(path))
    if place == .checkpoint { return try directory.checkpoint(at: path, collectives) }
    if let newest = try directory.newest(collectives, passingOver: report) { return newest }
    throw Failure(.missingInput, at: directory.url.path, "there are no checkpoints", remedy: "name another run")
  }

  /// Reads and verifies a checkpoint: rank 0 reads the manifest, and the ranks divide the shards.
  ///
  /// So each byte is hashed once, however many ranks there are. The result is the same on all ranks. Collective: all ranks
  /// call this in the same order.
  static func checked(_ folder: URL, _ collectives: any Collectives) throws -> Result<Checkpoint, Failure> {
    let bytes: [UInt8]
    switch try collectives.share({ try manifestBytes(folder) }) {
    case .success(let shared): bytes = shared
    case .failure(let problem): return .failure(problem)
    }
    return try collectives.findProblem {
      let checkpoint = try Checkpoint(folder, manifestBytes: bytes)
      if collectives.rank == 0 { try checkpoint.checkNoOtherShards() }
      for rank in stride(from: collectives.rank, to: checkpoint.manifest.worldSize, by: collectives.worldSize) {
        try checkpoint.verifyShard(rank, .hashes)
      }
      return checkpoint
    }
  }
}

/// What a path means to somebody who looks for a checkpoint.
package enum CheckpointPlace: String, Sendable {
  /// A checkpoint's own folder.
  case checkpoint
  /// A folder of checkpoints.
  case folder
  /// A run directory, which holds one.
  case run

  /// Looks at what is there.
  ///
  /// Throws `Failure` where it is nothing of these.
  package init(_ path: URL) throws {
    func refuse(_ status: ExitStatus, _ problem: String) -> Failure {
      Failure(status, at: path.path, problem, remedy: "name a run directory, or the folder step-… of a checkpoint")
    }
    let name = path.standardizedFileURL.lastPathComponent
    guard let isFolder = Self.isFolder(path) else { throw refuse(.missingInput, "there is no such folder") }
    guard isFolder else { throw refuse(.badData, "a checkpoint is a folder, and this is none") }
    if CheckpointName.isLeftover(name) { throw refuse(.badData, "a writer that stopped left this unfinished") }
    if CheckpointName.step(of: name) != nil || Folder.exists(path.appendingPathComponent(CheckpointName.manifest)) {
      self = .checkpoint
    } else if Self.isFolder(path.appendingPathComponent("checkpoints")) == true {
      self = .run
    } else if try Folder.entries(path).contains(where: { CheckpointName.step(of: $0) != nil }) {
      self = .folder
    } else {
      throw refuse(.missingInput, "there is no checkpoint here")
    }
  }

  /// The file that names a checkpoint where a path means one: `latest` or `best` of a run or of a folder of checkpoints.
  package static func pointer(_ path: URL) -> URL? {
    let name = path.lastPathComponent
    guard [CheckpointName.latest, CheckpointName.best].contains(name), isFolder(path) != true else { return nil }
    let inRun = path.deletingLastPathComponent().appendingPathComponent("checkpoints").appendingPathComponent(name)
    return [path, inRun].first { isFolder($0) == false }
  }

  /// The checkpoint's folder where a path is a pointer to one, else the path itself.
  ///
  /// Throws `Failure` for a pointer that names none.
  package static func followed(_ path: URL) throws -> URL {
    guard let pointer = pointer(path) else { return path }
    let directory = pointer.deletingLastPathComponent()
    return try CheckpointDirectory(directory).name(in: pointer.lastPathComponent)
      .map(directory.appendingPathComponent) ?? path
  }

  /// The folder of checkpoints that such a path is, holds or lies in.
  package func folder(_ path: URL) -> URL {
    switch self {
    case .checkpoint: path.standardizedFileURL.deletingLastPathComponent()
    case .folder: path
    case .run: path.appendingPathComponent("checkpoints")
    }
  }

  /// Nil where there is nothing.
  private static func isFolder(_ path: URL) -> Bool? {
    var isFolder: ObjCBool = false
    return FileManager.default.fileExists(atPath: path.path, isDirectory: &isFolder) ? isFolder.boolValue : nil
  }
}

extension Collectives {
  /// What rank 0 finds, or its problem, on all ranks.
  ///
  /// Collective: all ranks call this in the same order.
  fileprivate func share(_ find: () throws -> [UInt8]) throws -> Result<[UInt8], Failure> {
    let found = try findProblem { rank == 0 ? try find() : [] }
    // After a problem, which all ranks know of, nothing is gathered.
    guard case .success(let bytes) = found else { return found }
    return .success(try allGather(bytes)[0])
  }
}
