import Foundation
import Sweeps

/// Judges trials at rungs by what others had there, and never judges the same twice: decisions are in the journal.
struct RungBook {
  private let sweep: URL
  private let journal: SweepJournal
  private let metric: SweepMetric
  private let stopping: SweepStopping

  init(_ sweep: URL, _ journal: SweepJournal, _ metric: SweepMetric, _ stopping: SweepStopping) {
    (self.sweep, self.journal, self.metric, self.stopping) = (sweep, journal, metric, stopping)
  }

  /// Whether a trial goes on that has come to `outcome`.
  ///
  /// Throws `Failure` where the journal cannot be read or written.
  func goesOn(_ outcome: TrialOutcome, isRevived: Bool) throws -> Bool {
    let events = try SweepJournal.events(of: sweep).filter { $0.event == .judged }
    let name = outcome.trial.name
    if let former = events.first(where: { $0.trial == name && $0.epoch == outcome.epochs }) {
      return isRevived || former.goesOn ?? true
    }
    let value = metric.value(of: outcome)
    let goesOn =
      isRevived
      || value.map { stopping.goesOn(name, at: outcome.epochs, value: $0, RungScores(events), metric.isBetter) } ?? true
    try journal.append(.judged, name) { event in
      (event.epoch, event.goesOn) = (outcome.epochs, goesOn)
      // JSON has no numbers that are not finite; such a value is worse than any, and says nothing to others.
      event.value = value.flatMap { $0.isFinite ? $0 : nil }
    }
    return goesOn
  }
}

/// Values of trials at rungs, each trial's first at each.
struct RungScores {
  /// By trial, then by epochs.
  private(set) var values: [String: [Int: Double]] = [:]

  init(_ events: [SweepEvent]) {
    for event in events {
      guard let epoch = event.epoch, let value = event.value, values[event.trial]?[epoch] == nil else { continue }
      values[event.trial, default: [:]][epoch] = value
    }
  }

  /// Of trials but one, that have come to a rung: what they had there and before.
  func histories(upTo epoch: Int, but trial: String) -> [[Double]] {
    values.filter { $0.key != trial && $0.value[epoch] != nil }
      .map { $0.value.filter { $0.key <= epoch }.map(\.value) }
  }

  /// Of trials but one, at a rung.
  func values(at epoch: Int, but trial: String) -> [Double] {
    values.filter { $0.key != trial }.compactMap { $0.value[epoch] }
  }
}

extension SweepStopping {
  /// Epochs after which trials of so many epochs are judged; none after the last.
  func rungs(below epochs: Int) -> Set<Int> {
    switch self {
    case .none: return []
    case .halving(let reduction, let first):
      var (rungs, next) = (Set<Int>(), first)
      while next < epochs {
        rungs.insert(next)
        let (product, isTooLarge) = next.multipliedReportingOverflow(by: reduction)
        if isTooLarge { break }
        next = product
      }
      return rungs
    case .median(let first, _): return first < epochs ? Set(first..<epochs) : []
    }
  }

  /// Whether a trial goes on with a value at a rung.
  ///
  /// Halving (ASHA, Li et al. 2020, arXiv:1810.05934): of n trials that have come to the rung so far the best n / reduction go
  /// on, one at least. Median (Golovin et al. 2017): one whose best value is worse than the median of the others' means so far
  /// does not.
  func goesOn(
    _ trial: String, at epoch: Int, value: Double, _ scores: RungScores, _ isBetter: (Double, Double) -> Bool
  ) -> Bool {
    switch self {
    case .none: return true
    case .halving(let reduction, _):
      let others = scores.values(at: epoch, but: trial)
      return others.count { isBetter($0, value) } < max(1, (others.count + 1) / reduction)
    case .median(_, let least):
      let means = scores.histories(upTo: epoch, but: trial).map { $0.reduce(0, +) / Double($0.count) }
      guard means.count >= least else { return true }
      let own = (scores.values[trial] ?? [:]).filter { $0.key < epoch }.map(\.value) + [value]
      let best = own.reduce(value) { isBetter($1, $0) ? $1 : $0 }
      let sorted = means.sorted { isBetter($0, $1) }
      // Of an even number the worse one of the two in the middle: in doubt a trial goes on.
      return !isBetter(sorted[sorted.count / 2], best)
    }
  }
}
