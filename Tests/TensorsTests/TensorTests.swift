import Testing

@testable import Tensors

@Suite struct TensorTests {
  @Test func viewsShareElements() {
    let tensor = Tensor((0..<12).map(Float.init), shape: [4, 3])
    tensor.rows(1..<3).row(1)[2] = 99
    #expect(tensor[8] == 99)
    #expect(tensor.slice(7..<9).array == [7, 99])
  }

  @Test func copiesDoNotShareElements() {
    let tensor = Tensor([1, 2, 3])
    let copy = tensor.copied()
    copy[0] = 5
    #expect(tensor.array == [1, 2, 3])
  }

  @Test func gatheredRowsFollowTheGivenOrder() {
    let tensor = Tensor((0..<6).map(Float.init), shape: [3, 2])
    #expect(tensor.gathered(rows: [2, 0]).array == [4, 5, 0, 1])
  }

  @Test func aSecondStepOfAnArenaTakesNoNewMemory() {
    let arena = Arena(chunkCount: 64)
    func step() -> [UnsafeMutablePointer<Float>] {
      arena.reset()
      return [[10], [3, 50], [7, 9, 2]].map { arena.tensor($0).pointer }
    }
    let first = step()
    let capacity = arena.capacityInBytes
    #expect(step() == first)
    #expect(arena.capacityInBytes == capacity)
    #expect(first.allSatisfy { Int(bitPattern: $0) % FloatStorage.alignment == 0 })
  }

  @Test(
    arguments: [
      (0x0000, 0), (0x3C00, 1), (0xC000, -2), (0x7BFF, 65504), (0x0001, 0x1p-24), (0x8400, -0x1p-14),
      (0x3555, 0x1.554p-2),
    ] as [(UInt16, Float)])
  func float16Widens(bits: UInt16, value: Float) {
    #expect(HalfPrecision.float(fromFloat16: bits) == value)
  }

  @Test func nonFiniteHalvesStayNonFinite() {
    #expect(HalfPrecision.float(fromFloat16: 0xFC00) == -.infinity)
    #expect(HalfPrecision.float(fromFloat16: 0x7E00).isNaN)
    #expect(HalfPrecision.float(fromBFloat16: 0x7FC0).isNaN)
    #expect(HalfPrecision.float(fromBFloat16: 0x4049) == 3.140625)
  }
}
