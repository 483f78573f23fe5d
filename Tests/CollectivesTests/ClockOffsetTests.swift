import Synchronization
import Testing

@testable import Collectives

/// Offsets between clocks that are known to differ.
@Suite struct ClockOffsetTests {
  @Test func offsetsLieWithinTheirBounds() throws {
    // Each rank's clock is ahead by a second for its number; ranks wait for each other a few milliseconds at most.
    let offsets = try LoopbackWorld.run(size: 4) { collectives in
      try collectives.clockOffsets {
        let elapsed = ContinuousClock.now - Self.start
        return elapsed.components.seconds * 1_000_000_000 + elapsed.components.attoseconds / 1_000_000_000
          + Int64(collectives.rank) * 1_000_000_000
      }
    }
    #expect(offsets.allSatisfy { $0 == offsets[0] })
    for (rank, offset) in offsets[0].enumerated() {
      #expect(abs(offset.nanoseconds - Int64(rank) * 1_000_000_000) <= offset.uncertainty)
    }
    #expect(offsets[0][0].nanoseconds == 0)
  }

  private static let start = ContinuousClock.now

  @Test func boundsAreWorkedOut() {
    // Rank 1 is 1000 ahead. First round: came at 100 and 1105, went at 110 and 1115. Second: 200 and 1190, 205 and 1204.
    let offsets = ClockOffset.offsets([[100, 110, 200, 205], [1105, 1115, 1190, 1204]])
    // At most 1115 - 100 and 1204 - 200; at least 1105 - 110 and 1190 - 205.
    #expect(offsets[1] == ClockOffset(nanoseconds: 999, uncertainty: 5))
    // Clocks that may agree do.
    #expect(ClockOffset.offsets([[100, 110], [103, 112]])[1].nanoseconds == 0)
    #expect(ClockOffset.offsets([[0, 1]]) == [ClockOffset(nanoseconds: 0, uncertainty: 0)])
  }
}
