import Kernels

/// Sequences that pass a tower together, as far as work depends on them.
public struct SequenceBatch: Sendable, Equatable {
  /// Sequences.
  public var count: Int
  /// Rows of the packed matrix: what sequences have in common counts once.
  public var rows: Int
  /// Sum of the sequences' lengths.
  public var lengths: Int
  /// Sum over the rows of the rows that each attends to.
  public var seen: Int

  /// Images: every token sees all of its image.
  public init(images: Int, tokens: Int) {
    count = images
    rows = images * tokens
    lengths = rows
    seen = rows * tokens
  }

  /// Texts in a given layout: every token sees itself and those before it.
  public init(texts layout: SequenceLayout) {
    count = layout.count
    rows = layout.tokenCount
    var depths: [Int] = []
    for parent in layout.parents { depths.append(parent < 0 ? 1 : depths[Int(parent)] + 1) }
    seen = depths.reduce(0, +)
    lengths = layout.lastRows.reduce(0) { $0 + depths[$1] }
  }

  fileprivate init(count: Int, rows: Double, lengths: Double, seen: Double) {
    self.count = count
    self.rows = Int(rows.rounded())
    self.lengths = Int(lengths.rounded())
    self.seen = Int(seen.rounded())
  }
}

/// Prompts of about one length that begin alike: `a photo of a`, then the class.
public struct PromptSet: Sendable, Equatable {
  /// Prompts, one for each class.
  public var count: Int
  /// Tokens of a prompt, start and end included.
  public var length: Double
  /// Tokens at the beginning that all prompts share.
  public var shared: Double

  /// Prompts of known sizes.
  public init(count: Int, length: Double, shared: Double) {
    self.count = count
    self.length = length
    self.shared = shared
  }

  /// Prompts of which the sum of lengths and the rows that all take together are known.
  public init(count: Int, lengths: Int, rows: Int) {
    self.count = count
    length = Double(lengths) / Double(count)
    shared = count > 1 ? max(0, Double(lengths - rows) / Double(count - 1)) : 0
  }

  /// Some of the prompts together.
  public func batch(of count: Int) -> SequenceBatch {
    guard count > 0 else { return SequenceBatch(count: 0, rows: 0, lengths: 0, seen: 0) }
    func triangle(_ length: Double) -> Double { length * (length + 1) / 2 }
    let own = Double(count)
    return SequenceBatch(
      count: count, rows: shared + own * (length - shared), lengths: own * length,
      seen: triangle(shared) + own * (triangle(length) - triangle(shared)))
  }
}
