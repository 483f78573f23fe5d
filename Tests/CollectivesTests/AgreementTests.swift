import Diagnostics
import Testing

@testable import Collectives

@Suite struct AgreementTests {
  private struct Unexpected: Error, CustomStringConvertible { let description = "unexpected" }

  /// What each rank of a world hears when the ranks in `culprits` fail with `error`; empty if it hears nothing.
  private func heard(size: Int, culprits: Set<Int>, _ error: @escaping @Sendable (Int) -> any Error) throws
    -> [Failure?]
  {
    try LoopbackWorld.run(size: size) { collectives in
      var heard: Failure?
      do {
        let result = try collectives.agree {
          if culprits.contains(collectives.rank) { throw error(collectives.rank) }
          return collectives.rank
        }
        #expect(result == collectives.rank)
      } catch let failure as Failure { heard = failure }
      try collectives.barrier()  // Still in step.
      return heard
    }
  }

  @Test(arguments: 1...5) func withoutFailureEachRankGetsItsOwnResult(size: Int) throws {
    #expect(try heard(size: size, culprits: []) { _ in Unexpected() } == Array(repeating: nil, count: size))
  }

  @Test func oneFailureIsThrownOnAllRanksWithItsRank() throws {
    let failures = try heard(size: 4, culprits: [2]) { _ in Failure(.missingInput, at: "a", "gone", remedy: "find it") }
    #expect(
      failures == Array(repeating: Failure(.missingInput, at: "a", "gone (rank 2 of 4)", remedy: "find it"), count: 4))
  }

  @Test func ofSeveralFailuresTheLowestRanksIsThrown() throws {
    let failures = try heard(size: 4, culprits: [1, 3]) { Failure(.badData, "bad \($0)") }
    #expect(failures == Array(repeating: Failure(.badData, "bad 1 (rank 1 of 4)"), count: 4))
  }

  @Test func aFailureCommonToAllRanksNamesNone() throws {
    let failures = try heard(size: 3, culprits: [0, 1, 2]) { _ in Failure(.usage, "unknown key") }
    #expect(failures == Array(repeating: Failure(.usage, "unknown key"), count: 3))
  }

  @Test func otherErrorsAreDefects() throws {
    let failures = try heard(size: 2, culprits: [1]) { _ in Unexpected() }
    #expect(failures == Array(repeating: Failure(.internalError, "unexpected (rank 1 of 2)"), count: 2))
  }

  @Test(arguments: [
    Failure(.badData, "x"), Failure(.requeue, at: "", "", remedy: ""),
    Failure(.usage, at: "ä/ö", "line\nbreak", remedy: nil),
  ]) func failuresSurviveTheJourney(failure: Failure) {
    #expect(Failure(encoded: failure.encoded()) == failure)
  }

  @Test func truncatedFailuresAreNotRead() {
    let bytes = Failure(.badData, at: "place", "problem", remedy: "remedy").encoded()
    for count in 0..<bytes.count { #expect(Failure(encoded: Array(bytes.prefix(count))) == nil) }
    #expect(Failure(encoded: bytes + [0]) == nil)
  }
}
