import Collectives
import Diagnostics
import Files
import Foundation
import ShardFiles
import StrictJSON

/// A checkpoint that is being written: a folder under a name of its own, which `commit` renames.
package struct CheckpointDraft: Sendable {
  /// The step it will be the checkpoint of.
  package let step: Int
  let folder: URL
  let rank: Int
  let worldSize: Int
  let faults: FaultPoints

  /// Writes this rank's shard and waits until it is on the disk.
  ///
  /// As `shardJob`, on this thread and as many others as the options say. The result, good or bad, goes to
  /// `CheckpointDirectory.commit`.
  package func writeShard(
    _ sources: [ShardSource], options: ShardOptions = ShardOptions()
  ) -> Result<ShardDescription, Failure> {
    let job = shardJob(sources, options: options)
    for _ in 1..<options.threads { Thread.detachNewThread { job.work() } }
    return result(of: job)
  }

  /// The writing of this rank's shard, for threads to work on beside training.
  ///
  /// The tensors must not change until it is finished, so hand over copies. A vector's sections of all ranks must hold each
  /// of its elements once; which rank has which does not matter. `afterwards` is called when the shard is written and may
  /// refuse it.
  package func shardJob(
    _ sources: [ShardSource], options: ShardOptions = ShardOptions(),
    afterwards: @escaping @Sendable () throws -> Void = {}
  ) -> ShardJob {
    ShardJob(sources, to: shardFile, options: options, faults: faults) { [self] in
      // The name too: on some network file systems only the host that made it can do that.
      try faults.before("sync \(folder.lastPathComponent)")
      try Descriptor.synchronize(folder: folder)
      try afterwards()
    }
  }

  /// Finishes a job with the threads that work on it.
  package func result(of job: ShardJob, stillWaiting: () -> Void = {}) -> Result<ShardDescription, Failure> {
    job.finish(stillWaiting: stillWaiting).mapError { error in
      error as? Failure
        ?? Failure(.internalError, at: shardFile.path, "the shard cannot be written: \(error)")
    }
  }

  private var shardFile: URL { folder.appendingPathComponent(CheckpointName.shard(rank, of: worldSize)) }
}

extension CheckpointDirectory {
  /// Makes room for a step's checkpoint; nil where there is a good one already, which is kept.
  ///
  /// A damaged checkpoint of that step is moved aside, to `step-….damaged-…`. Throws the same `Failure` on all ranks.
  /// Collective: all ranks call this in the same order.
  package func begin(step: Int, _ collectives: any Collectives) throws -> CheckpointDraft? {
    precondition(step >= 0, "step \(step)")
    let reserved = try collectives.agree { collectives.rank == 0 ? try reserve(step) : nil }
    let name = try collectives.allGather(Array((reserved ?? "").utf8))[0]
    if name.isEmpty { return nil }
    return CheckpointDraft(
      step: step, folder: url.appendingPathComponent(String(decoding: name, as: UTF8.self)), rank: collectives.rank,
      worldSize: collectives.worldSize, faults: faults)
  }

  /// Completes a checkpoint: gathers what the ranks wrote, writes the manifest, renames the folder, moves `latest`.
  ///
  /// Only rank 0's manifest counts. When a rank's shard failed, or the disk fails now, all ranks throw the same `Failure`,
  /// the draft is removed, and other checkpoints are as they were. Returns the checkpoint's folder. Collective: all ranks
  /// call this in the same order, each with the result of its own `writeShard`.
  @discardableResult
  package func commit(
    _ draft: CheckpointDraft, shard: Result<ShardDescription, Failure>, manifest: CheckpointManifest,
    at time: Double = Date().timeIntervalSince1970, _ collectives: any Collectives
  ) throws -> URL {
    let shards = try collect(draft, shard: shard, collectives)
    try collectives.agree {
      if collectives.rank == 0 { try publish(draft, shards, manifest, at: time) }
    }
    return folder(step: draft.step)
  }

  /// The first half of `commit`: what all ranks wrote.
  ///
  /// Collective: all ranks call this in the same order.
  package func collect(
    _ draft: CheckpointDraft, shard: Result<ShardDescription, Failure>, _ collectives: any Collectives
  ) throws -> [ShardDescription] {
    do {
      let description = try collectives.agree { try shard.get() }
      let descriptions = try collectives.allGather(Array(ManifestText.text(.object(description.members)).utf8))
      return try collectives.agree {
        try descriptions.enumerated().map { rank, bytes in
          try ShardDescription(ManifestFields(JSONValue(parsing: bytes), "shard \(rank)", draft.folder.path))
        }
      }
    } catch {
      if collectives.rank == 0 { try? remove(draft.folder) }
      throw error
    }
  }

  /// The second half of `commit`, for rank 0 alone, on any thread.
  ///
  /// Throws `Failure` when the disk fails; the draft is removed then.
  package func publish(
    _ draft: CheckpointDraft, _ shards: [ShardDescription], _ manifest: CheckpointManifest,
    at time: Double = Date().timeIntervalSince1970
  ) throws {
    do {
      var manifest = manifest
      manifest.step = draft.step
      manifest.writtenAt = time
      manifest.shards = shards
      try publish(manifest, draft)
    } catch {
      try? remove(draft.folder)
      throw error
    }
  }

  /// Gives a draft up and removes it; for runs that end before they can commit it.
  ///
  /// No rank may still be writing its shard. Collective: all ranks call this in the same order.
  package func abandon(_ draft: CheckpointDraft, _ collectives: any Collectives) throws {
    try collectives.barrier()
    try collectives.agree { if collectives.rank == 0 { try remove(draft.folder) } }
  }

  /// The name of a new draft's folder, or nil where the step has a good checkpoint.
  private func reserve(_ step: Int) throws -> String? {
    let token = UUID().uuidString.lowercased()
    let name = CheckpointName.folder(step: step)
    if Folder.exists(folder(step: step)) {
      if try isWhole(folder(step: step)) {
        // Its writer may have died before it moved the pointer.
        if (try? latestName()) != name { try point(to: name) }
        return nil
      }
      try rename(name, to: CheckpointName.damaged(name, token: token))
    }
    // Somebody may have removed it while the run goes on.
    if !Folder.exists(url) { try makeFolder(url) }
    let partial = CheckpointName.partial(step: step, token: token)
    try makeFolder(url.appendingPathComponent(partial))
    return partial
  }

  /// Throws where that cannot be found out: a disk that does not answer is no reason to move a checkpoint.
  private func isWhole(_ folder: URL) throws -> Bool {
    do {
      try Checkpoint(reading: folder).verify(.hashes)
      return true
    } catch let failure as Failure where [.badData, .missingInput].contains(failure.status) {
      return false
    }
  }

  private func publish(_ manifest: CheckpointManifest, _ draft: CheckpointDraft) throws {
    let bytes = ManifestText.bytes(manifest)
    // What cannot be read again must not be published: sections that do not cover their vector, for example.
    let place = draft.folder.appendingPathComponent(CheckpointName.manifest)
    guard bytes.count <= ManifestText.largest else {
      throw Failure(.internalError, at: place.path, "the manifest would have \(bytes.count) bytes")
    }
    _ = try ManifestText.manifest(bytes, at: place.path)
    for (rank, shard) in manifest.shards.enumerated() {
      let file = draft.folder.appendingPathComponent(CheckpointName.shard(rank, of: manifest.worldSize))
      _ = try ShardReader(file, expecting: shard)
    }
    try write(bytes, to: place)
    try synchronize(draft.folder)
    let name = CheckpointName.folder(step: draft.step)
    try rename(draft.folder.lastPathComponent, to: name)
    try point(to: name)
  }

  /// Moves `latest`, or another pointer.
  func point(to name: String, _ pointer: String = CheckpointName.latest) throws {
    try faults.before("replace \(pointer)")
    try AtomicFile.write(Array("\(name)\n".utf8), to: url.appendingPathComponent(pointer))
  }

  /// Moves `best` to a step's checkpoint.
  ///
  /// For one rank alone. Throws `Failure` when the disk fails.
  package func markBest(step: Int) throws {
    let name = CheckpointName.folder(step: step)
    if (try? bestName()) != name { try point(to: name, CheckpointName.best) }
  }

  private func write(_ bytes: [UInt8], to file: URL) throws {
    try faults.before("create \(file.lastPathComponent)")
    let output = try Descriptor.creating(file.path, knownAs: file.path)
    try faults.before("write \(file.lastPathComponent)")
    try bytes.withUnsafeBytes { try output.write($0) }
    try faults.before("sync \(file.lastPathComponent)")
    try output.synchronize()
    try output.close()
  }
}
