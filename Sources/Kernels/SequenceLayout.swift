/// Where sequences of different lengths lie in one packed matrix `[tokens, width]`: no padding between them.
///
/// Products and norms work on all tokens at once; only attention looks at single sequences.
public struct SequenceLayout: Sendable, Equatable {
  /// First row of each sequence, and the total as last entry.
  public let offsets: [Int]

  /// Sequences of the given lengths, one after the other.
  public init(lengths: [Int]) {
    precondition(lengths.allSatisfy { $0 > 0 }, "a sequence has at least one token")
    offsets = lengths.reduce(into: [0]) { $0.append($0.last! + $1) }
  }

  /// `count` sequences of one length.
  public init(count: Int, length: Int) { self.init(lengths: Array(repeating: length, count: count)) }

  /// Sequences.
  public var count: Int { offsets.count - 1 }

  /// Rows of the packed matrix.
  public var tokenCount: Int { offsets.last! }

  /// Rows of one sequence.
  public func rows(of sequence: Int) -> Range<Int> { offsets[sequence]..<offsets[sequence + 1] }

  /// The first row of each sequence.
  public var firstRows: [Int] { Array(offsets.dropLast()) }

  /// The last row of each sequence.
  public var lastRows: [Int] { offsets.dropFirst().map { $0 - 1 } }

  /// The layout of some of the sequences, in the given order.
  public func selecting(_ sequences: [Int]) -> SequenceLayout {
    SequenceLayout(lengths: sequences.map { rows(of: $0).count })
  }
}
