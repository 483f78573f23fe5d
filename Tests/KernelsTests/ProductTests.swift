import Kernels
import MatrixBackends
import Tensors
import TestSupport
import Testing

@Suite struct ProductTests {
  /// The libraries, and the definition in their format.
  static let libraries: [(name: String, product: any MatrixProduct)] = [
    ("OpenBLAS", OpenBLASProduct(threads: 2)), ("oneDNN", OneDNNProduct(threads: 2)),
  ]

  /// All transpositions, strides wider than the rows, replacing and adding, against the definition.
  @Test(arguments: [0, 1], [(1, 1, 1), (5, 7, 3), (64, 33, 17), (130, 64, 65), (150, 200, 100)])
  func librariesMatchTheDefinition(library: Int, shape: (m: Int, n: Int, k: Int)) {
    let product = Self.libraries[library].product
    for (transposeA, transposeB) in [(false, false), (true, false), (false, true), (true, true)] {
      for epilogue in Self.epilogues(shape.n) {
        let (m, n, k) = shape
        let a = normalTensor([max(m, k), max(m, k) + 3], seed: 1)
        let b = normalTensor([max(n, k), max(n, k) + 1], seed: 2)
        let results = [Tensor(repeating: 2, shape: [m, n + 2]), Tensor(repeating: 2, shape: [m, n + 2])]
        for (result, multiply) in zip(results, [product.multiply, NaiveMatrixProduct().multiply]) {
          multiply(
            view(a, rows: m, columns: k, transposed: transposeA), view(b, rows: k, columns: n, transposed: transposeB),
            MatrixView(result.pointer, rows: m, columns: n, stride: n + 2), epilogue)
        }
        // Rounding of k terms of either sign grows like sqrt(k); the gap between rows is not written to.
        #expect(relativeError(results[0], results[1]) < 1e-6)
        #expect(results[0].row(0)[n] == 2 && results[0].row(m - 1)[n + 1] == 2)
      }
    }
  }

  static func epilogues(_ n: Int) -> [Epilogue] {
    let bias = normalTensor([n], seed: 3)
    return [
      Epilogue(), Epilogue(.add), Epilogue(bias: bias), Epilogue(.add, bias: bias),
      Epilogue(bias: bias, activation: .quickGELU), Epilogue(activation: .gelu),
    ]
  }

  func view(_ tensor: Tensor, rows: Int, columns: Int, transposed: Bool) -> MatrixView {
    let stride = tensor.columnCount
    return transposed
      ? MatrixView(tensor.pointer, rows: columns, columns: rows, stride: stride).transposed
      : MatrixView(tensor.pointer, rows: rows, columns: columns, stride: stride)
  }

  /// bfloat16 factors: their products are exact in 32 bits, so sums are as good as those of floats; a bfloat16 result is
  /// rounded once.
  @Test(
    .enabled(if: MachineProduct.Capabilities.here.bfloat16, "this CPU has no bfloat16 arithmetic"),
    arguments: [(1, 1, 1), (5, 7, 3), (64, 33, 17), (150, 200, 100)])
  func halfPrecisionMatchesTheDefinition(shape: (m: Int, n: Int, k: Int)) {
    let (m, n, k) = shape
    let product = OneDNNProduct(threads: 2, precision: .bf16)
    let arena = Arena()
    for (transposeA, transposeB) in [(false, false), (true, false), (false, true), (true, true)] {
      let a = product.operand(normalTensor(transposeA ? [k, m] : [m, k], seed: 1), arena)
      let b = product.operand(normalTensor(transposeB ? [n, k] : [k, n], seed: 2), arena)
      let (aView, bView) = (transposeA ? a.view.transposed : a.view, transposeB ? b.view.transposed : b.view)
      for epilogue in Self.epilogues(n) {
        let results = [Tensor(repeating: 2, shape: [m, n]), Tensor(repeating: 2, shape: [m, n])]
        product.multiply(aView, bView, into: MatrixView(results[0]), epilogue)
        NaiveMatrixProduct(.bfloat16).multiply(aView, bView, into: MatrixView(results[1]), epilogue)
        #expect(relativeError(results[0], results[1]) < 1e-6)
        guard epilogue.accumulation == .replace else { continue }
        let rounded = Operand(rows: m, columns: n, .bfloat16, in: arena)
        product.multiply(aView, bView, into: rounded.view, epilogue)
        #expect(relativeError(widened(rounded), results[1]) < 4e-3)
      }
    }
  }

  func widened(_ x: Operand) -> Tensor {
    let one = Operand(Tensor([1]).reshaped([1, 1]), as: .bfloat16)
    let y = Tensor(uninitialized: [x.rowCount, x.columnCount])
    // Times one, element by element: a column of the operand at a time would do as well.
    for row in 0..<x.rowCount {
      let column = MatrixView(
        base: x.view.base + row * x.columnCount * 2, .bfloat16, rows: x.columnCount, columns: 1, stride: 1)
      NaiveMatrixProduct(.bfloat16).multiply(
        column, one.view, into: MatrixView(y.pointer + row * x.columnCount, rows: x.columnCount, columns: 1, stride: 1))
    }
    return y
  }

  /// Nothing to sum is zero; no rows are no work.
  @Test(arguments: [0, 1]) func emptyProducts(library: Int) {
    let product = Self.libraries[library].product
    let (empty, result) = (Tensor(uninitialized: [0, 5]), Tensor(repeating: 3, shape: [5, 5]))
    product.multiply(MatrixView(empty).transposed, MatrixView(empty), into: MatrixView(result), .add)
    #expect(result.array == Array(repeating: 3, count: 25))
    product.multiply(MatrixView(empty).transposed, MatrixView(empty), into: MatrixView(result))
    #expect(result.array == Array(repeating: 0, count: 25))
    product.multiply(MatrixView(empty), MatrixView(result), into: MatrixView(empty))
  }

  /// A rule, not a stopwatch.
  @Test func precisionFollowsTheMachine() {
    typealias Capabilities = MachineProduct.Capabilities
    #expect(Capabilities(wideVectors: true, bfloat16: true).precision(for: .bf16) == .bf16)
    #expect(Capabilities(wideVectors: true, bfloat16: false).precision(for: .bf16) == .fp32)
    #expect(Capabilities(wideVectors: true, bfloat16: true).precision(for: .fp32) == .fp32)
    #expect(MachineProduct(threads: 2).operandFormat == .float32)
    #expect(!OneDNNProduct.version.hasPrefix("0"))
  }

  /// Rounding in vector code against its definition, halfway cases and what is no number included.
  @Test func roundingIsToNearestEven() {
    let bits: [UInt32] = [
      0x3F80_8000, 0x3F81_8000, 0x3F80_7FFF, 0x3F80_8001, 0, 0x8000_0000, 0x7F80_0000, 0xFF80_0000, 0x7F7F_FFFF, 1,
      0x7FFF_FFFF, 0x7F80_0001, 0xFFC0_0000,
    ]
    let x = Tensor(bits: bits + normalTensor([1000], seed: 4).bits)
    let rounded = widened(Operand(x.reshaped([1, x.count]), as: .bfloat16))
    for index in 0..<x.count {
      let truth = HalfPrecision.float(fromBFloat16: HalfPrecision.bfloat16(rounding: x[index]))
      #expect(rounded[index] == truth || rounded[index].isNaN && x[index].isNaN, "\(x[index])")
    }
    #expect(HalfPrecision.bfloat16(rounding: Float(bitPattern: 0x3F80_8000)) == 0x3F80)
    #expect(HalfPrecision.bfloat16(rounding: Float(bitPattern: 0x3F81_8000)) == 0x3F82)
    #expect(HalfPrecision.bfloat16(rounding: .greatestFiniteMagnitude) == 0x7F80)
  }

  @Test func linearLayerMatchesItsFormula() {
    let (x, weight, bias) = (
      normalTensor([4, 6], seed: 3), normalTensor([5, 6], seed: 4), normalTensor([5], seed: 5)
    )
    let y = Tensor(uninitialized: [4, 5])
    Linear.forward(
      Operand(x), weight: Operand(weight), bias: bias, into: Operand(y), by: OpenBLASProduct(threads: 2))
    for row in 0..<4 {
      for column in 0..<5 {
        let sum = (0..<6).reduce(Double(bias[column])) { $0 + Double(x.row(row)[$1]) * Double(weight.row(column)[$1]) }
        #expect(abs(Double(y.row(row)[column]) - sum) < 1e-5)
      }
    }
  }
}
