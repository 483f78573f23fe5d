import Collectives
import Reporting

/// How evenly ranks have shared an epoch's work: the time of each for features and steps, without what it spent on the
/// exchange and on waiting for others.
struct RankBalance: Equatable, Sendable {
  /// What is said aloud: below this others wait for the slowest rank for a part of their time that is worth looking at.
  static let noteworthy = 0.9

  /// Of the ranks, in their order.
  let seconds: [Double]

  init(seconds: [Double]) { self.seconds = seconds }

  /// Gathers what each rank has worked.
  ///
  /// Collective: all ranks call this in the same order.
  init(ofOwn own: Double, _ collectives: some Collectives) throws {
    let gathered = try collectives.allGather(withUnsafeBytes(of: own.bitPattern.littleEndian) { Array($0) })
    seconds = gathered.map { bytes in
      Double(bitPattern: bytes.prefix(8).reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) })
    }
  }

  /// The mean rank's work beside that of the slowest: 1 where all have worked alike; nil for one rank, or where nothing was done.
  var evenness: Double? {
    guard seconds.count > 1, let most = seconds.max(), most > 0 else { return nil }
    return max(0, seconds.reduce(0, +) / Double(seconds.count) / most)
  }

  /// The rank that worked longest.
  var slowest: Int { seconds.indices.max { seconds[$0] < seconds[$1] } ?? 0 }

  /// Such as `balance 97%`, with the slowest rank where it is noteworthy; empty for one rank.
  func words(isBrief: Bool = false) -> String {
    guard let evenness else { return "" }
    let percent = "\(isBrief ? "bal" : "balance") \(Readable.fixed(100 * evenness, 0))%"
    if evenness >= Self.noteworthy { return percent }
    return percent + (isBrief ? " (rank \(slowest))" : " (rank \(slowest) is slowest)")
  }

  /// What an epoch's line says of it: nothing where ranks have shared the work well.
  var remark: String { (evenness ?? 1) < Self.noteworthy ? ", \(words())" : "" }
}
