/// Ranks in words: `rank 2`, `ranks 0, 1, 3`, `ranks 0-6, 9`.
package struct RankList: CustomStringConvertible {
  private let ranks: [Int]

  /// The given ranks, ascending.
  package init(_ ranks: some Sequence<Int>) { self.ranks = ranks.sorted() }

  /// The word and the numbers; three or more that follow each other as first and last.
  package var description: String {
    var runs: [ClosedRange<Int>] = []
    for rank in ranks {
      if let last = runs.last, last.upperBound + 1 == rank {
        runs[runs.count - 1] = last.lowerBound...rank
      } else {
        runs.append(rank...rank)
      }
    }
    let numbers = runs.map { run in
      run.count > 2 ? "\(run.lowerBound)-\(run.upperBound)" : run.map(String.init).joined(separator: ", ")
    }
    return (ranks.count == 1 ? "rank " : "ranks ") + numbers.joined(separator: ", ")
  }

  /// How many there are.
  package var count: Int { ranks.count }

  /// The lowest; traps where there is none.
  package var lowest: Int { ranks[0] }

  /// `is` or `are`.
  package var verb: String { ranks.count == 1 ? "is" : "are" }
}
