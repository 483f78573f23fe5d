/// By how much a rank's clock is ahead of rank 0's.
public struct ClockOffset: Equatable, Sendable {
  /// Nanoseconds to take from the rank's times to get rank 0's.
  public var nanoseconds: Int64
  /// The truth is at most this far away.
  public var uncertainty: Int64

  /// A known offset.
  public init(nanoseconds: Int64, uncertainty: Int64) {
    self.nanoseconds = nanoseconds
    self.uncertainty = uncertainty
  }
}

extension Collectives {
  /// How far the clocks of all ranks are ahead of rank 0's, indexed by rank.
  ///
  /// Ranks meet several times and note when they came and went. Nobody leaves before everybody has come: that bounds each
  /// offset from both sides, however long messages take; the middle is taken. Clocks that may agree, as those of one host
  /// do, are taken to agree. `now` reads this rank's clock in nanoseconds. Collective: all ranks call this in the same
  /// order.
  public func clockOffsets(rounds: Int = 8, now: () -> Int64) throws -> [ClockOffset] {
    precondition(rounds > 0)
    var times: [Int64] = []
    for _ in 0..<rounds {
      times.append(now())
      try barrier()
      times.append(now())
    }
    let gathered = try allGather(times.withUnsafeBytes { Array($0) })
    return ClockOffset.offsets(gathered.map { bytes in bytes.withUnsafeBytes { Array($0.bindMemory(to: Int64.self)) } })
  }
}

extension ClockOffset {
  /// Offsets from the times at which each rank came and went, came and went...
  static func offsets(_ times: [[Int64]]) -> [ClockOffset] {
    let rounds = stride(from: 0, to: times[0].count, by: 2)
    return times.indices.map { rank in
      guard rank > 0 else { return ClockOffset(nanoseconds: 0, uncertainty: 0) }
      // Rank 0 had come when this rank went, and this rank had come when rank 0 went.
      let most = rounds.lazy.map { times[rank][$0 + 1] - times[0][$0] }.min() ?? 0
      let least = rounds.lazy.map { times[rank][$0] - times[0][$0 + 1] }.max() ?? 0
      let uncertainty = max(0, (most - least + 1) / 2)
      if least <= 0, most >= 0 { return ClockOffset(nanoseconds: 0, uncertainty: max(most, -least)) }
      return ClockOffset(nanoseconds: least + (most - least) / 2, uncertainty: uncertainty)
    }
  }
}
