/// For each of some query rows, the rows that it attends to.
public struct KeyRows: Sendable {
  /// Where each query's rows begin in `rows`, and their number as last entry.
  let starts: [Int32]
  /// The rows of all queries, query after query.
  let rows: [Int32]
  /// Rows of the longest list.
  let longest: Int

  /// One list for each query.
  init(_ lists: [[Int32]]) {
    starts = lists.reduce(into: [0]) { $0.append($0.last! + Int32($1.count)) }
    rows = lists.flatMap { $0 }
    longest = lists.map(\.count).max() ?? 0
  }

  /// Queries.
  var queryCount: Int { starts.count - 1 }
}

extension SequenceLayout {
  /// What the given rows see, or all rows in order: themselves and what comes before where attention is causal, else their
  /// whole sequence.
  func keyRows(of queries: [Int]? = nil, isCausal: Bool) -> KeyRows {
    let queries = queries ?? Array(0..<tokenCount)
    if isCausal { return KeyRows(queries.map(path(to:))) }
    guard let offsets else { preconditionFailure("only causal attention lets sequences share rows") }
    var sequence = 0
    return KeyRows(
      queries.map { row in
        if row < offsets[sequence] { sequence = 0 }
        while offsets[sequence + 1] <= row { sequence += 1 }
        return (offsets[sequence]..<offsets[sequence + 1]).map(Int32.init)
      })
  }
}
