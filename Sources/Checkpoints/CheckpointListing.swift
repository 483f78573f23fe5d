import Diagnostics
import Foundation

/// One entry of a folder of checkpoints, as a command lists it.
package struct CheckpointListing: Sendable {
  /// What an entry is.
  package enum Condition: Sendable {
    /// A checkpoint whose manifest, shards' sizes and headers are right.
    case complete(CheckpointManifest)
    /// It should be a checkpoint, but something is wrong.
    case damaged(Failure)
    /// Being written or deleted, or left by a writer that died.
    case leftover
  }

  /// The folder's name.
  package let name: String
  /// What it is.
  package let condition: Condition
  /// Whether the `latest` file names it.
  package let isLatest: Bool
  /// Whether the `best` file names it.
  package let isBest: Bool
}

extension CheckpointDirectory {
  /// Everything that looks like a checkpoint, the newest first, leftovers last; nothing is changed.
  ///
  /// Throws `Failure` when the folder cannot be read.
  package func list() throws -> [CheckpointListing] {
    guard Folder.exists(url) else { return [] }
    let (latest, best) = (try? latestName(), try? bestName())
    let complete = try checkpointNames().map { name in
      CheckpointListing(name: name, condition: condition(name), isLatest: name == latest, isBest: name == best)
    }
    let leftovers = try Folder.entries(url).filter(CheckpointName.isLeftover)
    return complete
      + leftovers.map { CheckpointListing(name: $0, condition: .leftover, isLatest: false, isBest: false) }
  }

  private func condition(_ name: String) -> CheckpointListing.Condition {
    do {
      let checkpoint = try Checkpoint(reading: url.appendingPathComponent(name))
      try checkpoint.verify(.sizes)
      return .complete(checkpoint.manifest)
    } catch {
      return .damaged(error as? Failure ?? Failure(.internalError, "\(error)"))
    }
  }
}
