/// SplitMix64: the random numbers of one input, which depend on nothing but seed, reader and the input's number.
struct FuzzRandom: RandomNumberGenerator {
  private var state: UInt64

  init(seed: UInt64, reader: String, input: Int) {
    // FNV-1a, as Swift's own hashes differ from process to process.
    let name = reader.utf8.reduce(0xcbf2_9ce4_8422_2325 as UInt64) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 }
    state = seed &* 0x9e37_79b9_7f4a_7c15 ^ name ^ UInt64(input) &* 0xd134_2543_de82_ef95
  }

  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var word = state
    word = (word ^ word >> 30) &* 0xbf58_476d_1ce4_e5b9
    word = (word ^ word >> 27) &* 0x94d0_49bb_1331_11eb
    return word ^ word >> 31
  }

  /// From 0 up to, but not including, `bound`; 0 where that is none.
  mutating func below(_ bound: Int) -> Int { bound > 0 ? Int(next() % UInt64(bound)) : 0 }

  mutating func byte() -> UInt8 { UInt8(truncatingIfNeeded: next()) }

  mutating func bytes(_ count: Int) -> [UInt8] { (0..<count).map { _ in byte() } }

  mutating func element<Element>(of elements: [Element]) -> Element { elements[below(elements.count)] }

  /// A part of so many bytes, at most `longest` of them; short ones are the most frequent.
  mutating func range(in count: Int, longest: Int = .max) -> Range<Int> {
    let start = below(count)
    let room = min(count - start, longest)
    let length = below(2) == 0 ? 1 + below(min(room, 16)) : 1 + below(room)
    return start..<min(count, start + length)
  }
}
