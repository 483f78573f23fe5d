import Collectives
import Diagnostics
import Reporting

/// How the ranks of a world are divided into groups, each of which runs a trial at a time.
struct RankGroups: Equatable {
  /// Consecutive ranks of each group that works.
  private(set) var working: [Range<Int>]
  /// Ranks that are too few for a group.
  let idle: Range<Int>

  /// Groups of equal size; what is left of the ranks is one more, smaller group where `usesAllRanks`.
  ///
  /// Throws `Failure(.usage)` where there is not one group.
  init(worldSize: Int, ranksPerTrial: Int, usesAllRanks: Bool) throws {
    let count = worldSize / ranksPerTrial
    guard count > 0 || usesAllRanks else {
      throw Failure(
        .usage, at: "ranks_per_trial", "\(ranksPerTrial) ranks run a trial, and there are \(worldSize)",
        remedy: "start at least \(ranksPerTrial) ranks, lower ranks_per_trial, or give --use-all-ranks")
    }
    working = (0..<count).map { $0 * ranksPerTrial..<($0 + 1) * ranksPerTrial }
    let rest = count * ranksPerTrial..<worldSize
    if usesAllRanks, !rest.isEmpty { working.append(rest) }
    idle = usesAllRanks ? worldSize..<worldSize : rest
  }

  /// As many groups, of sizes that differ by one at most.
  init(worldSize: Int, groupCount: Int) {
    working = (0..<groupCount).map { evenShard(of: worldSize, rank: $0, worldSize: groupCount) }
    idle = worldSize..<worldSize
  }

  /// These groups, or larger ones where fewer trials are left than there are groups.
  func resized(for trials: Int) -> RankGroups {
    guard (1..<working.count).contains(trials) else { return self }
    return RankGroups(worldSize: idle.upperBound, groupCount: trials)
  }

  /// Whether a group of `ranks` would be larger if all ranks were divided among so many trials.
  func grows(_ ranks: Range<Int>, for trials: Int) -> Bool {
    trials > 0 && idle.upperBound / trials > ranks.count
  }

  /// The group of a rank, its number, and whether it works.
  func group(of rank: Int) -> (ranks: Range<Int>, number: Int, works: Bool) {
    if let number = working.firstIndex(where: { $0.contains(rank) }) { return (working[number], number, true) }
    return (idle, working.count, false)
  }

  /// `3 groups of 2 ranks`, and what is left.
  var words: String {
    let sizes = Set(working.map(\.count)).sorted(by: >)
    let groups = sizes.map { size in
      "\(Readable.counted(working.count { $0.count == size }, "group")) of \(Readable.counted(size, "rank"))"
    }
    return groups.joined(separator: " and ")
      + (idle.isEmpty
        ? "" : "; \(idle.count) \(idle.count == 1 ? "rank is" : "ranks are") left over and idle (--use-all-ranks)")
  }
}
