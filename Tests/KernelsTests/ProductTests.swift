import Kernels
import MatrixBackends
import Tensors
import TestSupport
import Testing

@Suite struct ProductTests {
  static let product = OpenBLASProduct(threads: 2)

  /// All transpositions, strides wider than the rows, replacing and adding, against the definition.
  @Test(arguments: [(1, 1, 1), (5, 7, 3), (64, 33, 17), (130, 64, 65)], [false, true])
  func openBLASMatchesTheDefinition(shape: (m: Int, n: Int, k: Int), adds: Bool) {
    for (transposeA, transposeB) in [(false, false), (true, false), (false, true), (true, true)] {
      let (m, n, k) = shape
      let a = normalTensor([max(m, k), max(m, k) + 3], seed: 1)
      let b = normalTensor([max(n, k), max(n, k) + 1], seed: 2)
      let results = [Tensor(repeating: 2, shape: [m, n + 2]), Tensor(repeating: 2, shape: [m, n + 2])]
      for (result, multiply) in zip(results, [Self.product.multiply, NaiveMatrixProduct().multiply]) {
        multiply(
          view(a, rows: m, columns: k, transposed: transposeA), view(b, rows: k, columns: n, transposed: transposeB),
          MatrixView(result.pointer, rows: m, columns: n, stride: n + 2), adds ? .add : .replace)
      }
      // Rounding of k terms of either sign grows like sqrt(k).
      #expect(relativeError(results[0], results[1]) < 1e-6)
      #expect(results[0].row(0)[n] == 2, "the gap between rows is not written to")
    }
  }

  func view(_ tensor: Tensor, rows: Int, columns: Int, transposed: Bool) -> MatrixView {
    let stride = tensor.columnCount
    return transposed
      ? MatrixView(tensor.pointer, rows: columns, columns: rows, stride: stride).transposed
      : MatrixView(tensor.pointer, rows: rows, columns: columns, stride: stride)
  }

  @Test func linearLayerMatchesItsFormula() {
    let (x, weight, bias) = (
      normalTensor([4, 6], seed: 3), normalTensor([5, 6], seed: 4), normalTensor([5], seed: 5)
    )
    let y = Tensor(uninitialized: [4, 5])
    Linear.forward(x, weight: weight, bias: bias, into: y, by: Self.product)
    for row in 0..<4 {
      for column in 0..<5 {
        let sum = (0..<6).reduce(Double(bias[column])) { $0 + Double(x.row(row)[$1]) * Double(weight.row(column)[$1]) }
        #expect(abs(Double(y.row(row)[column]) - sum) < 1e-5)
      }
    }
  }
}
