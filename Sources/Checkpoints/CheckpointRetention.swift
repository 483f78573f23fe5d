import Diagnostics
import Foundation

/// Which checkpoints are kept.
package struct CheckpointRetention: Sendable, Equatable {
  /// A metric that chooses the best checkpoint.
  package struct Best: Sendable, Equatable {
    /// Key in the manifests' metrics.
    package var metric: String
    /// Whether more is better, as with accuracy.
    package var isHigherBetter: Bool

    /// The best by a metric.
    package init(metric: String, isHigherBetter: Bool) {
      self.metric = metric
      self.isHigherBetter = isHigherBetter
    }
  }

  /// The newest so many are kept, at least 1.
  package var last: Int
  /// Those whose step is a multiple of this are kept.
  package var everySteps: Int?
  /// One per so many hours is kept, the first of each span.
  package var everyHours: Double?
  /// The best is kept; of several equal ones, the newest.
  package var best: Best?

  /// The given rules; what one of them keeps is kept.
  ///
  /// Traps where a number is not positive.
  package init(last: Int = 3, everySteps: Int? = nil, everyHours: Double? = nil, best: Best? = nil) {
    precondition(last > 0 && everySteps ?? 1 > 0 && everyHours ?? 1 > 0, "retention by numbers that are not positive")
    self.last = last
    self.everySteps = everySteps
    self.everyHours = everyHours
    self.best = best
  }

  /// Steps of the manifests that no rule keeps, ascending.
  package func expendable(_ manifests: [CheckpointManifest]) -> [Int] {
    let ordered = manifests.sorted { $0.step < $1.step }
    var kept = Set(ordered.suffix(last).map(\.step))
    if let everySteps { kept.formUnion(ordered.map(\.step).filter { $0.isMultiple(of: everySteps) }) }
    if let everyHours { kept.formUnion(spaced(ordered, seconds: everyHours * 3600)) }
    if let best, let step = bestStep(ordered, best) { kept.insert(step) }
    return ordered.map(\.step).filter { !kept.contains($0) }
  }

  /// The first, and then always the next that is late enough after the one before.
  private func spaced(_ ordered: [CheckpointManifest], seconds: Double) -> [Int] {
    var former = -Double.infinity
    return ordered.filter { manifest in
      guard manifest.writtenAt - former >= seconds else { return false }
      former = manifest.writtenAt
      return true
    }.map(\.step)
  }

  /// The step of the best of some manifests, ascending; nil where none is rated.
  func bestStep(_ ordered: [CheckpointManifest], _ best: Best) -> Int? {
    let rated = ordered.compactMap { manifest in
      manifest.metrics[best.metric].flatMap { $0.isNaN ? nil : (step: manifest.step, value: $0) }
    }
    return rated.max { left, right in
      left.value == right.value
        ? left.step < right.step : (left.value < right.value) == best.isHigherBetter
    }?.step
  }
}

extension CheckpointDirectory {
  /// Deletes checkpoints that no rule keeps, and returns their names.
  ///
  /// Only whole checkpoints count and go; damaged ones are left for people to look at, and the one that `latest` names
  /// stays. Before anything is deleted, the newest that stays is read whole and its hashes are compared; if it is damaged,
  /// it does not count either. A folder is renamed before it is emptied, so that no half of a checkpoint looks whole.
  ///
  /// Those of `protected` steps stay too. Where the rules know a best one, `best` names it afterwards.
  ///
  /// For one rank alone, on any thread, and not while `begin` or `commit` run. Throws `Failure` when the disk fails.
  @discardableResult
  package func applyRetention(_ rules: CheckpointRetention, protecting protected: Set<Int> = []) throws -> [String] {
    let latest = try? latestName()
    let complete = try list().compactMap { listing -> CheckpointManifest? in
      if case .complete(let manifest) = listing.condition { manifest } else { nil }
    }
    if let best = rules.best, let step = rules.bestStep(complete.reversed(), best) { try markBest(step: step) }
    // The newest good one stays by every rule; those above it are damaged and do not count.
    for first in complete.indices {
      let manifests = Array(complete[first...])
      let names = rules.expendable(manifests).filter { !protected.contains($0) }
        .map { CheckpointName.folder(step: $0) }.filter { $0 != latest }
      if names.isEmpty { return [] }
      let newest = url.appendingPathComponent(CheckpointName.folder(step: manifests[0].step))
      guard (try? Checkpoint(reading: newest).verify(.hashes)) != nil else { continue }
      for name in names { try delete(name) }
      return names
    }
    return []
  }

  private func delete(_ name: String) throws {
    let doomed = CheckpointName.deleting(name, token: UUID().uuidString.lowercased())
    try rename(name, to: doomed)
    try remove(url.appendingPathComponent(doomed))
  }
}
