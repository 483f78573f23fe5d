/// Makes inputs out of seeds: what is damaged, what is hostile, and what is nearly right.
struct Mutator {
  let reader: FuzzReader
  let name: String
  let seed: UInt64
  /// Inputs do not grow beyond this, or twice the seed.
  private static let largest = 1 << 18

  /// An input by its number; the first ones are the seeds themselves.
  func input(_ number: Int) -> (bytes: [UInt8], seed: FuzzSeed) {
    if number < reader.seeds.count { return (reader.seeds[number].bytes, reader.seeds[number]) }
    var random = FuzzRandom(seed: seed, reader: name, input: number)
    let origin = random.element(of: reader.seeds)
    var bytes = origin.bytes
    let limit = max(Self.largest, 2 * bytes.count)
    // One change in half of the inputs, two in a quarter, and so on.
    for _ in 0...min(random.next().trailingZeroBitCount, 12) {
      change(&bytes, origin, &random)
      if bytes.count > limit { bytes.removeSubrange(limit...) }
    }
    if let repair = reader.repair, random.below(4) > 0 { repair(&bytes, origin) }
    return (bytes, origin)
  }

  private func change(_ bytes: inout [UInt8], _ origin: FuzzSeed, _ random: inout FuzzRandom) {
    switch random.below(16) {
    case 0: flipBit(&bytes, &random)
    case 1: if !bytes.isEmpty { bytes[random.below(bytes.count)] = random.byte() }
    case 2: bytes.insert(contentsOf: random.bytes(1 + random.below(16)), at: random.below(bytes.count + 1))
    case 3: if !bytes.isEmpty { bytes.removeSubrange(random.range(in: bytes.count)) }
    case 4: duplicate(&bytes, &random)
    case 5: splice(&bytes, origin, &random)
    case 6: transplant(&bytes, origin, &random)
    case 7, 8: writeNumber(Self.numbers[random.below(Self.numbers.count)], &bytes, &random)
    case 9, 10: replaceDecimal(&bytes, &random)
    case 11: attackLength(&bytes, &random)
    case 12: if !bytes.isEmpty { bytes.removeSubrange(random.below(bytes.count)...) }
    case 13: nest(&bytes, &random)
    case 14: putWord(&bytes, &random)
    default: if !bytes.isEmpty { fill(&bytes, &random) }
    }
  }

  // MARK: Any bytes

  private func flipBit(_ bytes: inout [UInt8], _ random: inout FuzzRandom) {
    guard !bytes.isEmpty else { return }
    bytes[random.below(bytes.count)] ^= 1 << UInt8(random.below(8))
  }

  private func duplicate(_ bytes: inout [UInt8], _ random: inout FuzzRandom) {
    guard !bytes.isEmpty else { return }
    let range = random.range(in: bytes.count, longest: 4096)
    let copies = repeatElement(bytes[range], count: 1 + random.below(random.below(8) == 0 ? 200 : 3))
    bytes.insert(contentsOf: Array(copies.joined()), at: range.upperBound)
  }

  /// The beginning of this one and the end of another.
  private func splice(_ bytes: inout [UInt8], _ origin: FuzzSeed, _ random: inout FuzzRandom) {
    let other = other(origin, &random)
    bytes = Array(bytes[..<random.below(bytes.count + 1)] + other[random.below(other.count + 1)...])
  }

  /// A part of another over a part of this one.
  private func transplant(_ bytes: inout [UInt8], _ origin: FuzzSeed, _ random: inout FuzzRandom) {
    let other = other(origin, &random)
    guard !bytes.isEmpty, !other.isEmpty else { return }
    bytes.replaceSubrange(random.range(in: bytes.count), with: other[random.range(in: other.count)])
  }

  /// A seed of the same file, usually.
  private func other(_ origin: FuzzSeed, _ random: inout FuzzRandom) -> [UInt8] {
    let alike = reader.seeds.filter { $0.file == origin.file }
    return random.element(of: random.below(8) == 0 ? reader.seeds : alike).bytes
  }

  private func fill(_ bytes: inout [UInt8], _ random: inout FuzzRandom) {
    let value = random.element(of: [0, 0xff, 0x20, 0x7f] as [UInt8])
    for place in random.range(in: bytes.count, longest: 64) { bytes[place] = value }
  }

  // MARK: Numbers

  /// What sizes and places go wrong at.
  private static let numbers: [UInt64] = {
    let small: [UInt64] = [0, 1, 2, 3, 4, 7, 8, 9, 16, 24, 64, 100, 255, 1000, 4096]
    let powers = [7, 8, 15, 16, 20, 24, 31, 32, 40, 47, 48, 53, 62, 63].map { 1 << UInt64($0) as UInt64 }
    let near = powers.flatMap { [$0 - 1, $0, $0 + 1] }
    return small + near + (small + near).map { 0 &- $0 }
  }()

  private func writeNumber(_ number: UInt64, _ bytes: inout [UInt8], _ random: inout FuzzRandom) {
    let width = [1, 2, 4, 8][random.below(4)]
    guard bytes.count >= width else { return }
    write(number, width, isBigEndian: random.below(2) == 0, at: random.below(bytes.count - width + 1), &bytes)
  }

  private func write(_ number: UInt64, _ width: Int, isBigEndian: Bool, at place: Int, _ bytes: inout [UInt8]) {
    for index in 0..<width {
      let shift = UInt64(8 * (isBigEndian ? width - 1 - index : index))
      bytes[place + index] = UInt8(truncatingIfNeeded: number >> shift)
    }
  }

  /// Takes bytes for a length, and makes it a little or very much larger or smaller, or what is left of the file.
  private func attackLength(_ bytes: inout [UInt8], _ random: inout FuzzRandom) {
    let width = [2, 4, 8][random.below(3)]
    guard bytes.count >= width else { return }
    // Lengths stand at the beginning of most formats.
    let place = random.below(random.below(2) == 0 ? min(64, bytes.count - width + 1) : bytes.count - width + 1)
    guard place <= bytes.count - width else { return }
    let isBigEndian = random.below(2) == 0
    let part = bytes[place..<place + width]
    let old = (isBigEndian ? Array(part) : part.reversed()).reduce(0 as UInt64) { $0 << 8 | UInt64($1) }
    let rest = UInt64(bytes.count - place - width)
    let new = random.element(of: [
      old &+ 1, old &- 1, old &* 2, old &+ 0x1_0000, 0 &- old, rest, rest &+ 1, rest &- 1, ~0, ~0 >> 1, old << 32 | old,
    ])
    write(new, width, isBigEndian: isBigEndian, at: place, &bytes)
  }

  private static let decimals =
    numbers.flatMap { ["\($0)", "\(Int64(bitPattern: $0))"] } + [
      "-0", "1e300", "1e999", "-1e308", "1e-400", "0.1", "00", "NaN", "Infinity", "9223372036854775808",
      "99999999999999999999999999", "1.5", "-1", "1e18", "1E2", "+1",
    ]

  private func replaceDecimal(_ bytes: inout [UInt8], _ random: inout FuzzRandom) {
    func isDigit(_ byte: UInt8) -> Bool { (0x30...0x39).contains(byte) }
    let start = random.below(bytes.count)
    guard let first = bytes[start...].firstIndex(where: isDigit) else { return }
    let begin = bytes[..<first].lastIndex { !isDigit($0) }.map { $0 + 1 } ?? 0
    let end = bytes[first...].firstIndex { !isDigit($0) } ?? bytes.count
    bytes.replaceSubrange(begin..<end, with: random.element(of: Self.decimals).utf8)
  }

  // MARK: Text

  private static let nesting = ["[", "{\"a\":", "(", "- ", "{a: ", "[[", "\"", "&a [*a, ", "\n  "]

  private func nest(_ bytes: inout [UInt8], _ random: inout FuzzRandom) {
    let opening = Array(random.element(of: reader.nesting.isEmpty ? Self.nesting : reader.nesting).utf8)
    let depth = [3, 30, 65, 101, 600, 10_000, 60_000][random.below(7)]
    let bomb = Array(repeatElement(opening, count: depth).joined())
    bytes.insert(contentsOf: bomb, at: random.below(bytes.count + 1))
  }

  private static let words = [
    "null", "true", "\"\"", "{}", "[]", "\\u0000", "\\ud800", "\\ud83d\\ude00", "e\u{301}", "\u{e9}", "..", "/", "\0",
    "\u{1b}[2J", "\r\n", "\n", ",", ":", "\"", "\u{feff}", "\u{2028}", "__metadata__", "\u{130}", "  ", "\t",
  ]

  private func putWord(_ bytes: inout [UInt8], _ random: inout FuzzRandom) {
    let word = Array(random.element(of: Self.words + reader.words + reader.words).utf8)
    let place = random.below(bytes.count + 1)
    let end = random.below(2) == 0 ? place : min(bytes.count, place + random.below(word.count + 8))
    bytes.replaceSubrange(place..<end, with: word)
  }
}
