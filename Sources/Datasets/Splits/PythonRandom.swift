/// The random numbers of CPython's `random` module (3.8 to 3.12): the Mersenne Twister MT19937 and the ways of drawing
/// from it that published data splits were made with.
///
/// Everything else in skiptune draws from `Tensors.CounterRandom`; this exists to reproduce other people's choices.
/// Source: Matsumoto & Nishimura, ACM TOMACS 8(1), 1998, and the documented behaviour of `random.Random`.
public struct PythonRandom: Sendable {
  private static let size = 624
  private static let middle = 397

  private var state = [UInt32](repeating: 0, count: size)
  /// The next word of `state` to hand out; `size` when all are used.
  private var position = size

  /// The generator after `random.seed(seed)`.
  public init(seed: Int) {
    self.seed(seed)
  }

  /// Starts again as `random.seed(value)`: the sign is ignored, the magnitude is cut into 32-bit words, lowest first.
  public mutating func seed(_ value: Int) {
    let magnitude = UInt64(value.magnitude)
    let low = UInt32(truncatingIfNeeded: magnitude)
    let high = UInt32(truncatingIfNeeded: magnitude >> 32)
    seed(key: high == 0 ? [low] : [low, high])
  }

  /// `random.getrandbits(width)` for `width` in `0...64`.
  public mutating func getrandbits(_ width: Int) -> UInt64 {
    precondition((0...64).contains(width), "\(width) bits do not fit in 64")
    if width == 0 { return 0 }
    if width <= 32 { return UInt64(nextWord() >> UInt32(32 - width)) }
    let low = UInt64(nextWord())
    return low | UInt64(nextWord() >> UInt32(64 - width)) << 32
  }

  /// `random.random()`: uniform in `[0, 1)` with 53 random bits.
  public mutating func random() -> Double {
    let high = Double(nextWord() >> 5)
    let low = Double(nextWord() >> 6)
    return (high * 0x1p26 + low) * 0x1p-53
  }

  /// `random.randrange(bound)`: uniform in `0..<bound`, by rejection of whole draws of the bound's width.
  public mutating func randbelow(_ bound: Int) -> Int {
    precondition(bound > 0, "no integer lies below \(bound)")
    let width = Int.bitWidth - bound.leadingZeroBitCount
    var draw = getrandbits(width)
    while draw >= UInt64(bound) { draw = getrandbits(width) }
    return Int(draw)
  }

  /// `random.sample(population, count)`: `count` different positions of `population`, in the order drawn.
  ///
  /// Traps unless `0 <= count <= population.count`.
  public mutating func sample<Element>(_ population: [Element], _ count: Int) -> [Element] {
    precondition((0...population.count).contains(count), "cannot draw \(count) of \(population.count)")
    let usesPool = population.count <= Self.poolLimit(count)
    return usesPool ? sampleByPool(population, count) : sampleByRejection(population, count)
  }

  /// `random.shuffle(elements)`.
  public mutating func shuffle<Element>(_ elements: inout [Element]) {
    for last in stride(from: elements.count - 1, to: 0, by: -1) {
      elements.swapAt(last, randbelow(last + 1))
    }
  }

  /// The largest population for which CPython copies it rather than remembers what was picked:
  /// 21, plus the smallest power of 4 that is at least `3 * count` where `count > 5`.
  static func poolLimit(_ count: Int) -> Int {
    guard count > 5 else { return 21 }
    var power = 1
    while power / 3 < count { power *= 4 }  // A power of 4 is never a multiple of 3, so this is power >= 3 * count.
    return 21 + power
  }

  private mutating func sampleByPool<Element>(_ population: [Element], _ count: Int) -> [Element] {
    var pool = population
    return (0..<count).map { drawn in
      let pick = randbelow(pool.count - drawn)
      let element = pool[pick]
      pool[pick] = pool[pool.count - drawn - 1]
      return element
    }
  }

  private mutating func sampleByRejection<Element>(_ population: [Element], _ count: Int) -> [Element] {
    var picked = Set<Int>()
    return (0..<count).map { _ in
      var pick = randbelow(population.count)
      while !picked.insert(pick).inserted { pick = randbelow(population.count) }
      return population[pick]
    }
  }
}

extension PythonRandom {
  /// The reference initialisation from one word (`init_genrand`).
  private mutating func seed(word: UInt32) {
    state[0] = word
    for i in 1..<Self.size {
      state[i] = 1_812_433_253 &* (state[i - 1] ^ (state[i - 1] >> 30)) &+ UInt32(i)
    }
    position = Self.size
  }

  /// The reference initialisation from several words (`init_by_array`).
  private mutating func seed(key: [UInt32]) {
    seed(word: 19_650_218)
    var i = 1
    func mixed(_ state: [UInt32], _ factor: UInt32) -> UInt32 {
      state[i] ^ ((state[i - 1] ^ (state[i - 1] >> 30)) &* factor)
    }
    for step in 0..<max(Self.size, key.count) {
      let j = step % key.count
      state[i] = mixed(state, 1_664_525) &+ key[j] &+ UInt32(j)
      advance(&i)
    }
    for _ in 1..<Self.size {
      state[i] = mixed(state, 1_566_083_941) &- UInt32(i)
      advance(&i)
    }
    state[0] = 0x8000_0000
  }

  /// Steps through `1..<size`; at the end the last word is carried to the front.
  private mutating func advance(_ index: inout Int) {
    index += 1
    if index == Self.size {
      state[0] = state[Self.size - 1]
      index = 1
    }
  }

  /// The next tempered 32-bit output (`genrand_uint32`).
  private mutating func nextWord() -> UInt32 {
    if position == Self.size { regenerate() }
    var word = state[position]
    position += 1
    word ^= word >> 11
    word ^= (word << 7) & 0x9d2c_5680
    word ^= (word << 15) & 0xefc6_0000
    return word ^ (word >> 18)
  }

  private mutating func regenerate() {
    for i in 0..<Self.size {
      let joined = (state[i] & 0x8000_0000) | (state[(i + 1) % Self.size] & 0x7fff_ffff)
      let twist: UInt32 = joined & 1 == 0 ? 0 : 0x9908_b0df
      state[i] = state[(i + Self.middle) % Self.size] ^ (joined >> 1) ^ twist
    }
    position = 0
  }
}
