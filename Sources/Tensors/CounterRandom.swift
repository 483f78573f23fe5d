#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// Random numbers that are a pure function of a key and a position: Philox 4x32-10 (Salmon et al., SC 2011).
///
/// The same `(seed, stream)` gives the same sequence on every rank, thread and machine, whatever else was drawn before, so
/// that an augmentation can be a function of (seed, epoch, image).
public struct CounterRandom: RandomNumberGenerator, Sendable {
  private let key: (UInt32, UInt32)
  private let stream: (UInt32, UInt32)
  private var position: UInt64 = 0
  private var spare: UInt64?

  /// The sequence named by `seed` and up to two stream numbers, for example an epoch and an image.
  public init(seed: UInt64, stream first: UInt32 = 0, _ second: UInt32 = 0) {
    key = (UInt32(truncatingIfNeeded: seed), UInt32(truncatingIfNeeded: seed >> 32))
    stream = (first, second)
  }

  /// The next 64 random bits.
  public mutating func next() -> UInt64 {
    if let spare {
      self.spare = nil
      return spare
    }
    let block = Self.philox(
      [UInt32(truncatingIfNeeded: position), UInt32(truncatingIfNeeded: position >> 32), stream.0, stream.1], key: key)
    position += 1
    spare = UInt64(block[3]) << 32 | UInt64(block[2])
    return UInt64(block[1]) << 32 | UInt64(block[0])
  }

  /// A uniform number in `[0, 1)` with 53 random bits.
  public mutating func uniform() -> Double { Double(next() >> 11) * 0x1p-53 }

  /// A uniform number in `[low, high)`.
  public mutating func uniform(_ low: Double, _ high: Double) -> Double { low + (high - low) * uniform() }

  /// A normally distributed number of mean 0 and deviation 1 (Box and Muller, 1958).
  public mutating func normal() -> Double {
    let (radius, angle) = (1 - uniform(), uniform())  // The logarithm of 0 is never taken.
    return (-2 * log(radius)).squareRoot() * cos(2 * .pi * angle)
  }

  /// A uniform integer in `0..<bound`, without bias.
  public mutating func integer(below bound: Int) -> Int {
    precondition(bound > 0, "no integer lies below \(bound)")
    return Int(next(upperBound: UInt64(bound)))
  }

  /// Shuffles in place (Fisher-Yates).
  public mutating func shuffle<Element>(_ elements: inout [Element]) {
    for last in stride(from: elements.count - 1, to: 0, by: -1) {
      elements.swapAt(last, integer(below: last + 1))
    }
  }

  /// The block cipher: ten rounds over a 128-bit counter.
  static func philox(_ counter: SIMD4<UInt32>, key: (UInt32, UInt32)) -> SIMD4<UInt32> {
    var c = counter
    var key = key
    for _ in 0..<10 {
      let low = c[0].multipliedFullWidth(by: 0xD251_1F53)
      let high = c[2].multipliedFullWidth(by: 0xCD9E_8D57)
      c = [high.high ^ c[1] ^ key.0, high.low, low.high ^ c[3] ^ key.1, low.low]
      key = (key.0 &+ 0x9E37_79B9, key.1 &+ 0xBB67_AE85)
    }
    return c
  }
}
