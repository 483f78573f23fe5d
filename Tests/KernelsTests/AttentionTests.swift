import Kernels
import MatrixBackends
import Tensors
import TestSupport
import Testing

@Suite struct AttentionTests {
  static let product = OpenBLASProduct(threads: 2)
  static let headCount = 2
  static let headWidth = 8
  static let width = headCount * headWidth

  /// Sequences of different lengths packed together, causal or not, forward and backward.
  @Test(arguments: [false, true]) func packedSequencesMatchTheDefinition(isCausal: Bool) {
    let layout = SequenceLayout(lengths: [1, 5, 3, 17])
    let qkv = normalTensor([layout.tokenCount, 3 * Self.width], seed: 1)
    let dContext = normalTensor([layout.tokenCount, Self.width], seed: 2)
    let attention = Attention(headCount: Self.headCount, isCausal: isCausal)
    let probabilities = Tensor(uninitialized: [attention.probabilityCount(layout)])
    let context = Tensor(uninitialized: dContext.shape)
    let dqkv = Tensor(uninitialized: qkv.shape)
    attention.forward(qkv: qkv, layout, probabilities: probabilities, into: context, by: Self.product)
    attention.backward(
      dContext, qkv: qkv, probabilities: probabilities, layout, scratch: Tensor(uninitialized: probabilities.shape),
      into: dqkv, by: Self.product)

    for sequence in 0..<layout.count {
      let rows = layout.rows(of: sequence)
      let input = qkv.rows(rows).buffer.map(Double.init)
      let truth = Self.slowAttention(input, isCausal: isCausal)
      #expect(relativeError(context.rows(rows).buffer.map(Double.init), truth) < 3e-6)
      let slope = SlowTwin.gradient(at: input, dContext.rows(rows).buffer.map(Double.init)) {
        Self.slowAttention($0, isCausal: isCausal)
      }
      #expect(relativeError(dqkv.rows(rows).buffer.map(Double.init), slope) < 1e-5)
    }
  }

  /// All heads of one sequence, from and to flat row-major numbers.
  static func slowAttention(_ qkv: [Double], isCausal: Bool) -> [Double] {
    let tokens = qkv.count / (3 * width)
    var context = [Double](repeating: 0, count: tokens * width)
    for head in 0..<headCount {
      func part(_ third: Int) -> SlowTwin.Matrix {
        (0..<tokens).map { token in
          let start = token * 3 * width + third * width + head * headWidth
          return Array(qkv[start..<start + headWidth])
        }
      }
      let result = SlowTwin.attention(part(0), part(1), part(2), isCausal: isCausal)
      for token in 0..<tokens {
        for column in 0..<headWidth { context[token * width + head * headWidth + column] = result[token][column] }
      }
    }
    return context
  }

  @Test func layoutsNameTheirRows() {
    let layout = SequenceLayout(lengths: [2, 3, 1])
    #expect(layout.tokenCount == 6)
    #expect(layout.rows(of: 1) == 2..<5)
    #expect(layout.firstRows == [0, 2, 5])
    #expect(layout.lastRows == [1, 4, 5])
    #expect(layout.selecting([2, 1]) == SequenceLayout(lengths: [1, 3]))
  }
}
