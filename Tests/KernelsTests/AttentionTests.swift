import Kernels
import MatrixBackends
import Tensors
import TestSupport
import Testing

@Suite struct AttentionTests {
  static let product = MachineProduct(threads: 2)
  static let headCount = 2
  static let headWidth = 8
  static let width = headCount * headWidth

  /// Sequences of different lengths packed together, causal or not, forward and backward.
  @Test(arguments: [false, true]) func packedSequencesMatchTheDefinition(isCausal: Bool) {
    let layout = SequenceLayout(lengths: [1, 5, 3, 17])
    let attention = Attention(headCount: Self.headCount, isCausal: isCausal)
    let qkv = normalTensor([layout.tokenCount, 3 * Self.width], seed: 1)
    let dContext = normalTensor([layout.tokenCount, Self.width], seed: 2)
    let (context, dqkv) = Self.run(attention, attention.scope(layout), qkv, dContext)
    for sequence in 0..<layout.count {
      let rows = layout.rows(of: sequence)
      let input = Self.doubles(qkv, rows)
      let truth = Self.slowAttention(input, isCausal: isCausal)
      #expect(relativeError(Self.doubles(context, rows), truth) < 3e-6)
      let slope = SlowTwin.gradient(at: input, Self.doubles(dContext, rows)) {
        Self.slowAttention($0, isCausal: isCausal)
      }
      #expect(relativeError(Self.doubles(dqkv, rows), slope) < 1e-5)
    }
  }

  /// Sequences that share rows: each sees its own past, and a shared row's gradient is the sum over all that share it.
  @Test func sharedPrefixesMatchSequencesOfTheirOwn() {
    let layout = SequenceLayout(sharingPrefixesOf: Self.branching)
    let attention = Attention(headCount: Self.headCount, isCausal: true)
    let qkv = normalTensor([layout.tokenCount, 3 * Self.width], seed: 3)
    let dContext = normalTensor([layout.tokenCount, Self.width], seed: 4)
    let (context, dqkv) = Self.run(attention, attention.scope(layout), qkv, dContext)

    var slope = [Double](repeating: 0, count: dqkv.count)
    var isDone = [Bool](repeating: false, count: layout.tokenCount)
    for sequence in 0..<layout.count {
      let rows = layout.rows(of: sequence)
      let truth = Self.slowAttention(Self.doubles(qkv, rows), isCausal: true)
      #expect(relativeError(Self.doubles(context, rows), truth) < 3e-6)
      // A row's result counts once, however many sequences pass through it.
      let weight = rows.flatMap { row in
        (0..<Self.width).map { isDone[row] ? 0 : Double(dContext.row(row)[$0]) }
      }
      let part = SlowTwin.gradient(at: Self.doubles(qkv, rows), weight) { Self.slowAttention($0, isCausal: true) }
      for (position, row) in rows.enumerated() {
        isDone[row] = true
        for column in 0..<3 * Self.width {
          slope[row * 3 * Self.width + column] += part[position * 3 * Self.width + column]
        }
      }
    }
    #expect(isDone.allSatisfy { $0 })
    #expect(relativeError(dqkv.buffer.map(Double.init), slope) < 1e-5)
  }

  /// Queries of some rows only: the rows of the full computation, and its gradient where all others have none.
  @Test(arguments: [false, true]) func fewQueriesMatchAllQueries(isCausal: Bool) {
    let layout = SequenceLayout(lengths: [4, 1, 6])
    let attention = Attention(headCount: Self.headCount, isCausal: isCausal)
    let read = isCausal ? layout.lastRows : layout.firstRows
    let qkv = normalTensor([layout.tokenCount, 3 * Self.width], seed: 5)
    let dRead = normalTensor([read.count, Self.width], seed: 6)
    let dContext = Tensor(zeros: [layout.tokenCount, Self.width])
    for (index, row) in read.enumerated() { dContext.row(row).copy(from: dRead.row(index)) }
    let (context, dqkv) = Self.run(attention, attention.scope(layout), qkv, dContext)

    let query = Tensor(uninitialized: [read.count, Self.width])
    for (index, row) in read.enumerated() { query.row(index).copy(from: qkv.row(row).slice(0..<Self.width)) }
    let scope = attention.scope(layout, of: read)
    let (inputs, arena) = (Self.inputs(query, qkv), Arena())
    let (readContext, dQuery) = (Tensor(uninitialized: query.shape), Tensor(uninitialized: query.shape))
    let dKeys = Tensor(zeros: qkv.shape)
    let probabilities = attention.probabilities(scope, arena, by: Self.product)
    attention.forward(
      inputs, scope, probabilities: probabilities, into: Operand(readContext), arena: arena, by: Self.product)
    attention.backward(
      Operand(dRead), inputs, probabilities: probabilities, scope, into: Self.inputs(dQuery, dKeys), arena: arena,
      by: Self.product)

    #expect(relativeError(readContext, context.gathered(rows: read)) < 1e-6)
    for (index, row) in read.enumerated() { dKeys.row(row).slice(0..<Self.width).copy(from: dQuery.row(index)) }
    #expect(relativeError(dKeys, dqkv) < 1e-6)
  }

  /// Branches after 0, 1 and 2 tokens; one sequence is the beginning of another, two are equal.
  static let branching: [[Int32]] = [[7, 1, 2], [7, 1, 3, 4], [7, 5], [9, 1, 2], [7, 1], [7, 1, 2]]

  @Test func prefixTreesHaveOneRowForEachBeginning() {
    let layout = SequenceLayout(sharingPrefixesOf: Self.branching)
    #expect(layout.parents == [-1, 0, 1, 1, 3, 0, -1, 6, 7])
    #expect(layout.lastRows == [2, 4, 5, 8, 1, 2])
    #expect(layout.firstRows == [0, 0, 0, 6, 0, 0])
    #expect(layout.rows(of: 1) == [0, 1, 3, 4])
    #expect(layout.offsets == nil)
    let part = layout.selecting([3, 1, 3])
    #expect(part.rows == [6, 7, 8, 0, 1, 3, 4])
    #expect(part.layout.parents == [-1, 0, 1, -1, 3, 4, 5])
    #expect(part.layout.lastRows == [2, 6, 2])
    #expect(layout.selecting([]).layout.tokenCount == 0)
  }

  @Test func layoutsNameTheirRows() {
    let layout = SequenceLayout(lengths: [2, 3, 1])
    #expect(layout.tokenCount == 6)
    #expect(layout.parents == [-1, 0, -1, 2, 3, -1])
    #expect(layout.rows(of: 1) == [2, 3, 4])
    #expect(layout.firstRows == [0, 2, 5])
    #expect(layout.lastRows == [1, 4, 5])
    let part = layout.selecting([2, 1])
    #expect(part.layout == SequenceLayout(lengths: [1, 3]))
    #expect(part.rows == [5, 2, 3, 4])
  }
}

// MARK: - Twins

extension AttentionTests {
  /// Context and gradient of a packed matrix whose rows are all queries.
  static func run(
    _ attention: Attention, _ scope: Attention.Scope, _ qkv: Tensor, _ dContext: Tensor
  ) -> (context: Tensor, dqkv: Tensor) {
    let arena = Arena()
    let probabilities = attention.probabilities(scope, arena, by: product)
    let (context, dqkv) = (Tensor(uninitialized: dContext.shape), Tensor(uninitialized: qkv.shape))
    let inputs = Attention.Inputs(qkv: Operand(qkv))
    // Without keeping anything first: the same result.
    attention.forward(inputs, scope, probabilities: nil, into: Operand(context), arena: arena, by: product)
    let kept = context.copied()
    attention.forward(inputs, scope, probabilities: probabilities, into: Operand(context), arena: arena, by: product)
    #expect(kept.bits == context.bits)
    attention.backward(
      Operand(dContext), inputs, probabilities: probabilities, scope, into: Attention.Inputs(qkv: Operand(dqkv)),
      arena: arena, by: product)
    return (context, dqkv)
  }

  /// Queries of their own, keys and values from the packed matrix.
  static func inputs(_ query: Tensor, _ qkv: Tensor) -> Attention.Inputs {
    func third(_ index: Int) -> MatrixView {
      MatrixView(qkv.pointer + index * width, rows: qkv.rowCount, columns: width, stride: 3 * width)
    }
    return Attention.Inputs(query: MatrixView(query), key: third(1), value: third(2))
  }

  static func doubles(_ tensor: Tensor, _ rows: [Int]) -> [Double] {
    tensor.gathered(rows: rows).array.map(Double.init)
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
}
