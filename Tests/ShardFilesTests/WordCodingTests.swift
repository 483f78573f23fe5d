import CKernels
import Tensors
import Testing

@testable import ShardFiles

/// The vector code against plain twins, at sizes around the vector and block lengths.
@Suite struct WordCodingTests {
  static let counts = [0, 1, 3, 15, 16, 17, 63, 64, 65, 2047, 2048, 2049, 5000]

  static func words(_ count: Int, seed: UInt64) -> [UInt32] {
    var generator = SplitMix(state: seed)
    return (0..<count).map {
      $0 % 5 == 0 ? edgeWords[$0 / 5 % edgeWords.count] : UInt32(truncatingIfNeeded: generator.next())
    }
  }

  @Test(arguments: counts) func planesAreTheBytesOfWords(count: Int) {
    let words = Self.words(count, seed: 1)
    var planes = [UInt8](repeating: 0xAA, count: 4 * count)
    skt_split_planes(&planes, words, count)
    let shifts: [UInt32] = [0, 8, 16, 24]
    let expected: [UInt8] = shifts.flatMap { shift in words.map { UInt8(truncatingIfNeeded: $0 >> shift) } }
    #expect(planes == expected)
    var joined = [UInt32](repeating: 0, count: count)
    skt_join_planes(&joined, planes, count, count)
    #expect(joined == words)
  }

  @Test func aPartOfPlanesIsAPartOfTheWords() {
    let words = Self.words(1000, seed: 2)
    var planes = [UInt8](repeating: 0, count: 4000)
    skt_split_planes(&planes, words, 1000)
    var part = [UInt32](repeating: 0, count: 333)
    planes.withUnsafeBufferPointer { skt_join_planes(&part, $0.baseAddress! + 500, 1000, 333) }
    #expect(part == Array(words[500..<833]))
  }

  @Test(arguments: counts) func differencesFollowTheirFormulaAndComeBack(count: Int) {
    let words = Self.words(count, seed: 3)
    let base = Array(Self.words(count, seed: 4).reversed())
    var differences = [UInt32](repeating: 0, count: count)
    skt_difference(&differences, words, base, count)
    #expect(differences == zip(words, base).map(Self.difference))
    skt_undo_difference(&differences, base, count)
    #expect(differences == words)
  }

  @Test func everyPairOfEdgesComesBack() {
    let pairs = edgeWords.flatMap { word in edgeWords.map { (word, $0) } }
    let base = pairs.map(\.1)
    var differences = [UInt32](repeating: 0, count: pairs.count)
    skt_difference(&differences, pairs.map(\.0), base, pairs.count)
    skt_undo_difference(&differences, base, pairs.count)
    #expect(differences == pairs.map(\.0))
  }

  @Test func neighboursDifferByOneStep() {
    func difference(_ word: Float, _ base: Float) -> UInt32 {
      var result: UInt32 = 0
      skt_difference(&result, [word.bitPattern], [base.bitPattern], 1)
      return result
    }
    #expect(difference(1, 1) == 0)
    #expect(difference(Float(1).nextUp, 1) == 2)
    #expect(difference(Float(1).nextDown, 1) == 1)
    #expect(difference(Float(-0.25).nextUp, -0.25) == 2)
    #expect(difference(0, -0.0) == 2)
  }

  /// The plain twin, by signed 64-bit integers and branches.
  static func difference(_ word: UInt32, _ base: UInt32) -> UInt32 {
    func ordered(_ bits: UInt32) -> Int64 {
      bits < 0x8000_0000 ? Int64(bits) + 0x8000_0000 : 0xFFFF_FFFF - Int64(bits)
    }
    let difference = Int64(Int32(truncatingIfNeeded: ordered(word) - ordered(base)))
    return UInt32(truncatingIfNeeded: difference >= 0 ? 2 * difference : -2 * difference - 1)
  }
}

/// A small generator for test data.
struct SplitMix: RandomNumberGenerator {
  var state: UInt64

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ z >> 30) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ z >> 27) &* 0x94D0_49BB_1331_11EB
    return z ^ z >> 31
  }
}
