import Foundation
import Tensors

/// A made-up training whose state at each step is a formula, so that whatever a checkpoint holds can be compared with what
/// it must hold.
public struct SampleTraining: Sendable {
  /// Trained parameters.
  public let count: Int
  /// What training began with.
  public let base: Tensor

  /// A training of `count` parameters.
  public init(count: Int) {
    self.count = count
    base = Tensor(bits: (0..<count).map { Self.word($0, 0) })
  }

  /// Parameters after a step: most are a few units in the last place from the base, some are any bit pattern, NaN included.
  public func parameters(_ step: Int) -> Tensor {
    Tensor(
      bits: (0..<count).map { index in
        let word = Self.word(index, step)
        return index % 7 == 3 ? word : base[index].bitPattern &+ word % 64
      })
  }

  /// Momentum after a step: any bit pattern.
  public func momentum(_ step: Int) -> Tensor { Tensor(bits: (0..<count).map { Self.word($0, step &+ 1_000_003) }) }

  private static func word(_ index: Int, _ step: Int) -> UInt32 {
    let mixed = (UInt64(bitPattern: Int64(index &* 1_000_033 &+ step)) &+ 1) &* 0x9E37_79B9_7F4A_7C15
    return UInt32(truncatingIfNeeded: (mixed ^ mixed >> 29) &* 0xBF58_476D_1CE4_E5B9 >> 32)
  }
}

extension Tensor {
  /// The bits of all elements: equality of floats would take 0 for -0 and no NaN for itself.
  public var bits: [UInt32] { buffer.map(\.bitPattern) }

  /// Elements of the given bits.
  public init(bits: [UInt32]) { self.init(bits.map(Float.init(bitPattern:))) }
}
