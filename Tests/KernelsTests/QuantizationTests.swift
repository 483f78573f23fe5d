import Kernels
import Tensors
import Testing

@Suite struct QuantizationTests {
  /// Nearest of the two neighbours, ties to the even one, in double precision.
  private func rounded(_ value: Float) -> UInt16 {
    let lower = UInt16(truncatingIfNeeded: value.bitPattern >> 16)
    let upper = lower + 1
    func distance(_ bits: UInt16) -> Double { abs(Double(HalfPrecision.float(fromBFloat16: bits)) - Double(value)) }
    if distance(lower) == distance(upper) { return lower.isMultiple(of: 2) ? lower : upper }
    return distance(lower) < distance(upper) ? lower : upper
  }

  private static let values: [Float] =
    (0..<1000).map { Float($0 - 500) * 0.37 * Float(1 + $0 % 7) } + [
      0, -0.0, 1, 1.00390625, 1.01171875, -1.00390625, Float(bitPattern: 70_000), -Float(bitPattern: 2_100_000), 6.5e4,
      1e38,
    ]

  @Test func roundsToTheNearestAndKeepsTheError() {
    let x = Tensor(Self.values)
    let residual = Tensor(zeros: x.shape)
    let q = UnsafeMutableBufferPointer<UInt16>.allocate(capacity: x.count)
    defer { q.deallocate() }
    Quantization.encode(x, residual: residual, into: q)
    for index in 0..<x.count {
      #expect(q[index] == rounded(x[index] + 0), "\(x[index])")
      #expect(residual[index] == x[index] - HalfPrecision.float(fromBFloat16: q[index]))
    }
    // The error goes into the next message: the two together are exact to the rounding of the second.
    let former = residual.copied()
    Quantization.encode(Tensor(zeros: x.shape), residual: residual, into: q)
    for index in 0..<x.count { #expect(q[index] == rounded(former[index])) }
  }

  @Test func sumsAddWhatWasRounded() {
    let x = Tensor(Self.values)
    let q = UnsafeMutableBufferPointer<UInt16>.allocate(capacity: x.count)
    defer { q.deallocate() }
    Quantization.encode(x, residual: Tensor(zeros: x.shape), into: q)
    let y = Tensor(repeating: 3, shape: x.shape)
    Quantization.add(UnsafeBufferPointer(q), to: y)
    for index in 0..<x.count { #expect(y[index] == 3 + HalfPrecision.float(fromBFloat16: q[index])) }
  }

  @Test func whoeverAddsTheRoundedUpdateHasTheSameParameters() {
    let former = Tensor(Self.values)
    let new = Tensor(Self.values.enumerated().map { $1 + 0.001 * Float($0 % 13) })
    let residual = Tensor(Self.values.map { 1e-6 * $0 })
    let q = UnsafeMutableBufferPointer<UInt16>.allocate(capacity: new.count)
    defer { q.deallocate() }
    let (wanted, before) = (new.array, residual.array)
    Quantization.encodeUpdate(new, since: former, residual: residual, into: q)
    let other = former.copied()
    Quantization.add(UnsafeBufferPointer(q), to: other)
    #expect(other.array == new.array)
    for index in 0..<new.count {
      let change = wanted[index] - former[index] + before[index]
      #expect(q[index] == rounded(change))
      #expect(residual[index] == change - HalfPrecision.float(fromBFloat16: q[index]))
    }
  }

  @Test func whatIsNotFiniteStaysSoAndLeavesNoError() {
    let x = Tensor([.nan, .infinity, -.infinity, Float(bitPattern: 0x7FFF_FFFF), Float(bitPattern: 0x7F80_0001)])
    let residual = Tensor(zeros: x.shape)
    let q = UnsafeMutableBufferPointer<UInt16>.allocate(capacity: x.count)
    defer { q.deallocate() }
    Quantization.encode(x, residual: residual, into: q)
    let decoded = q.map { HalfPrecision.float(fromBFloat16: $0) }
    #expect(decoded[0].isNaN && decoded[3].isNaN && decoded[4].isNaN)
    #expect(decoded[1] == .infinity && decoded[2] == -.infinity)
    #expect(residual.array.allSatisfy { $0 == 0 })
  }
}
