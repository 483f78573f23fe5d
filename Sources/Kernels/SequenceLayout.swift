/// Where the tokens of a batch of sequences lie in one packed matrix `[tokens, width]`: no padding between them.
///
/// Each row knows the row of the token before it. Sequences that begin alike may share the rows of their beginning, so
/// that a batch is a forest: under causal attention a token's features depend on the tokens before it alone, and what two
/// sequences have in common needs to be computed once. Sequences that share nothing are chains of consecutive rows.
///
/// Products and norms work on all rows at once; only attention asks which rows belong together.
public struct SequenceLayout: Sendable, Equatable {
  /// The row of the token before each row's token, or -1 where there is none, as in idle rows; smaller than the row itself.
  public let parents: [Int32]
  /// The row of the last token of each sequence.
  public let lastRows: [Int]
  /// First row of each sequence, and the total as last entry, where sequences are consecutive rows of their own.
  ///
  /// Nil where they may share rows.
  public let offsets: [Int]?

  /// Sequences of the given lengths, one after the other.
  public init(lengths: [Int]) {
    precondition(lengths.allSatisfy { $0 > 0 }, "a sequence has at least one token")
    let offsets = lengths.reduce(into: [0]) { $0.append($0.last! + $1) }
    parents = lengths.indices.flatMap { sequence in
      (offsets[sequence]..<offsets[sequence + 1]).map { $0 == offsets[sequence] ? -1 : Int32($0 - 1) }
    }
    lastRows = offsets.dropFirst().map { $0 - 1 }
    self.offsets = offsets
  }

  /// `count` sequences of one length.
  public init(count: Int, length: Int) { self.init(lengths: Array(repeating: length, count: count)) }

  /// One row for each distinct beginning of the given sequences: a prefix tree.
  public init(sharingPrefixesOf sequences: [[Int32]]) {
    struct Step: Hashable {
      let parent, token: Int32
    }
    var parents: [Int32] = []
    var rows: [Step: Int32] = [:]
    lastRows = sequences.map { sequence in
      precondition(!sequence.isEmpty, "a sequence has at least one token")
      return Int(
        sequence.reduce(Int32(-1)) { parent, token in
          let step = Step(parent: parent, token: token)
          if let row = rows[step] { return row }
          rows[step] = Int32(parents.count)
          parents.append(parent)
          return rows[step]!
        })
    }
    self.parents = parents
    offsets = nil
  }

  private init(parents: [Int32], lastRows: [Int]) {
    self.parents = parents
    self.lastRows = lastRows
    offsets = nil
  }

  /// Sequences.
  public var count: Int { lastRows.count }

  /// Rows of the packed matrix.
  public var tokenCount: Int { parents.count }

  /// Rows of one sequence, its first token first.
  public func rows(of sequence: Int) -> [Int] {
    if let offsets { return Array(offsets[sequence]..<offsets[sequence + 1]) }
    return path(to: lastRows[sequence]).map(Int.init)
  }

  /// The row of the first token of each sequence.
  public var firstRows: [Int] {
    if let offsets { return Array(offsets.dropLast()) }
    return lastRows.map { Int(path(to: $0)[0]) }
  }

  /// A row and all before it, the first token first.
  func path(to row: Int) -> [Int32] {
    var path: [Int32] = []
    var next = Int32(row)
    while next >= 0 {
      path.append(next)
      next = parents[Int(next)]
    }
    return path.reversed()
  }
}

// MARK: - Parts

extension SequenceLayout {
  /// The layout of some of the sequences, in the given order, and the row of this layout that each of its rows is.
  ///
  /// Where sequences may share rows, idle ones follow that belong to none, until their number is a multiple of
  /// `rowMultiple`: selections of about one size then have few sizes, for which products are prepared.
  public func selecting(_ sequences: [Int], rowMultiple: Int = 1) -> (layout: SequenceLayout, rows: [Int]) {
    if let offsets {
      let ranges = sequences.map { offsets[$0]..<offsets[$0 + 1] }
      return (SequenceLayout(lengths: ranges.map(\.count)), ranges.flatMap { $0 })
    }
    var rows: [Int] = []
    var parents: [Int32] = []
    var position = [Int32](repeating: -1, count: tokenCount)
    for sequence in sequences {
      for row in self.rows(of: sequence) where position[row] < 0 {
        position[row] = Int32(rows.count)
        rows.append(row)
        parents.append(self.parents[row] < 0 ? -1 : position[Int(self.parents[row])])
      }
    }
    while !parents.count.isMultiple(of: rowMultiple) { parents.append(-1) }
    return (SequenceLayout(parents: parents, lastRows: sequences.map { Int(position[lastRows[$0]]) }), rows)
  }
}
