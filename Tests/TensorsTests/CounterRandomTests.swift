import Testing

@testable import Tensors

@Suite struct CounterRandomTests {
  /// Known answers of Random123 (kat_vectors, philox 4x32 10).
  @Test func philoxMatchesItsPublishedVectors() {
    #expect(
      CounterRandom.philox([0, 0, 0, 0], key: (0, 0)) == [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8])
    let ones = UInt32.max
    #expect(
      CounterRandom.philox([ones, ones, ones, ones], key: (ones, ones)) == [
        0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd,
      ])
    #expect(
      CounterRandom.philox([0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344], key: (0xa409_3822, 0x299f_31d0)) == [
        0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1,
      ])
  }

  @Test func streamsAreIndependentOfEachOtherAndRepeatable() {
    var first = CounterRandom(seed: 7, stream: 1, 2)
    var again = CounterRandom(seed: 7, stream: 1, 2)
    var other = CounterRandom(seed: 7, stream: 2, 1)
    let draws = (0..<100).map { _ in first.next() }
    #expect(draws == (0..<100).map { _ in again.next() })
    #expect(draws != (0..<100).map { _ in other.next() })
  }

  @Test func uniformsFillTheUnitInterval() {
    var random = CounterRandom(seed: 3)
    let draws = (0..<20_000).map { _ in random.uniform() }
    let mean = draws.reduce(0, +) / Double(draws.count)
    #expect(draws.allSatisfy { $0 >= 0 && $0 < 1 })
    #expect(abs(mean - 0.5) < 0.01)  // Five standard deviations.
  }

  @Test func shuffleIsAPermutation() {
    var random = CounterRandom(seed: 3)
    var elements = Array(0..<50)
    random.shuffle(&elements)
    #expect(elements != Array(0..<50))
    #expect(elements.sorted() == Array(0..<50))
  }
}
