import Kernels
import Tensors
import Testing

/// 16-bit storage against the language's own `Float16`, and bfloat16 against arithmetic in double precision.
@Suite struct StoragePrecisionTests {
  /// Every exponent with fractions at the ends, in the middle of two halves and beside it, and spread over all.
  private static let values: [Float] = (0..<256).flatMap { exponent in
    let fractions: [UInt32] =
      [
        0, 1, 0x0FFF, 0x1000, 0x1001, 0x2FFF, 0x3000, 0x3001, 0x7FFF, 0x8000, 0x8001, 0x18000, 0x7FEFFF, 0x7FF000,
        0x7FFFFF,
      ]
      + (0..<40).map { $0 &* 0x3_35A7 & 0x7F_FFFF }
    return fractions.flatMap { fraction -> [Float] in
      let bits = UInt32(exponent) << 23 | fraction
      return [Float(bitPattern: bits), Float(bitPattern: bits | 0x8000_0000)]
    }
  }

  private func encoded(_ x: Tensor, _ precision: StoragePrecision) -> (bits: [UInt16], isWhole: Bool) {
    var bits = [UInt16](repeating: 0, count: x.count)
    let isWhole = bits.withUnsafeMutableBytes { precision.encode(x, into: $0) }
    return (bits, isWhole)
  }

  private func decoded(_ bits: [UInt16], _ precision: StoragePrecision) -> [Float] {
    let x = Tensor(uninitialized: [bits.count])
    bits.withUnsafeBytes { precision.decode($0, into: x) }
    return x.array
  }

  @Test func halvesAreRoundedAsTheLanguageDoes() {
    let bits = encoded(Tensor(Self.values), .float16).bits
    for (value, half) in zip(Self.values, bits) {
      let truth = Float16(value)
      #expect(value.isNaN ? Float16(bitPattern: half).isNaN : half == truth.bitPattern, "\(value)")
    }
  }

  @Test func allHalvesAreReadExactly() {
    let bits = (0...UInt16.max).map { $0 }
    for (half, value) in zip(bits, decoded(bits, .float16)) {
      let truth = Float(Float16(bitPattern: half))
      #expect(truth.isNaN ? value.isNaN : value.bitPattern == truth.bitPattern, "\(half)")
    }
  }

  @Test func bfloat16IsTheNearestOfItsNeighbours() {
    let bits = encoded(Tensor(Self.values), .bfloat16).bits
    for (value, found) in zip(Self.values, decoded(bits, .bfloat16)) {
      if value.isNaN || value.isInfinite {
        #expect(value.isNaN ? found.isNaN : found == value)
        continue
      }
      // Within half of the last place, which is 2^-8 of the power of two below, or 2^-133 of subnormals.
      let place = Double(max(value.magnitude, .leastNormalMagnitude).binade) * 0x1p-7
      if found.isFinite { #expect(abs(Double(found) - Double(value)) <= place / 2, "\(value)") }
      #expect(found.isFinite || value.magnitude > 3.389e38, "\(value)")
    }
    let all = (0...UInt16.max).map { $0 }
    for (bits, value) in zip(all, decoded(all, .bfloat16)) { #expect(value.bitPattern == UInt32(bits) << 16) }
  }

  @Test func numbersThatAreTooLargeAreSeen() {
    #expect(encoded(Tensor([1, -65_504, 65_519]), .float16).isWhole)
    #expect(!encoded(Tensor([1, 65_520, 2]), .float16).isWhole)
    #expect(!encoded(Tensor([1, -1e30]), .float16).isWhole)
    #expect(encoded(Tensor([1, .infinity, -.infinity, .nan]), .float16).isWhole, "they were not finite before")
    #expect(encoded(Tensor([65_520, 1e30]), .bfloat16).isWhole)
    #expect(!encoded(Tensor([.greatestFiniteMagnitude]), .bfloat16).isWhole)
  }
}
