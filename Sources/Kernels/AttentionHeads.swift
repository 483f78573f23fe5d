import CKernels
import Tensors

/// One head of one sequence whose rows all see each other: dense products.
struct SequenceHead {
  private let inputs: Attention.Inputs
  private let probabilities: MatrixView  // a square

  init(_ inputs: Attention.Inputs, _ probabilities: MatrixView) {
    self.inputs = inputs
    self.probabilities = probabilities
  }

  private var count: Int { inputs.query.rows }
  private var scale: Float { 1 / Float(inputs.query.columns).squareRoot() }

  func forward(into output: MatrixView, by product: some MatrixProduct) {
    product.multiplyInTask(inputs.query, inputs.key.transposed, into: probabilities)
    skt_softmax(probabilities.pointer, count, count, scale)
    product.multiplyInTask(probabilities, inputs.value, into: output)
  }

  func backward(
    _ dOutput: MatrixView, into gradients: Attention.Inputs, scratch: Tensor, by product: some MatrixProduct
  ) {
    precondition(scratch.count >= count * count)
    let dScores = MatrixView(scratch.pointer, rows: count, columns: count, stride: count)
    product.multiplyInTask(probabilities.transposed, dOutput, into: gradients.value)
    product.multiplyInTask(dOutput, inputs.value.transposed, into: dScores)
    skt_softmax_backward(dScores.pointer, dScores.pointer, probabilities.pointer, count, count, scale)
    product.multiplyInTask(dScores, inputs.key, into: gradients.query)
    product.multiplyInTask(dScores.transposed, inputs.query, into: gradients.key)
  }
}

/// The probabilities of all heads and sequences: a square for each, head after head.
struct Squares {
  private let offsets: [Int]
  private let starts: [Int]
  private let buffer: Tensor

  /// Squares of `buffer` for the sequences that begin at `offsets`, the last entry being the end.
  init(_ offsets: [Int], headCount: Int, in buffer: Tensor) {
    self.offsets = offsets
    starts = Self.starts(offsets)
    self.buffer = buffer
    count = headCount * (offsets.count - 1)
    precondition(buffer.count == headCount * starts.last!)
  }

  /// Squares.
  let count: Int

  /// Which head and which rows a square belongs to, and the square.
  subscript(_ index: Int) -> (head: Int, rows: Range<Int>, square: MatrixView) {
    let (head, sequence) = index.quotientAndRemainder(dividingBy: offsets.count - 1)
    let rows = offsets[sequence]..<offsets[sequence + 1]
    let start = head * starts.last! + starts[sequence]
    return (
      head, rows, MatrixView(buffer.pointer + start, rows: rows.count, columns: rows.count, stride: rows.count)
    )
  }

  /// Where the square of each sequence begins in those of one head, and their size as last entry.
  static func starts(_ offsets: [Int]) -> [Int] {
    var starts = [0]
    for sequence in 0..<offsets.count - 1 {
      let count = offsets[sequence + 1] - offsets[sequence]
      starts.append(starts[sequence] + count * count)
    }
    return starts
  }
}

/// One head over queries that each see a list of rows.
struct ListHead {
  private let inputs: Attention.Inputs
  private let keys: KeyRows
  private let probabilities: Tensor  // one per entry of the lists

  init(_ inputs: Attention.Inputs, _ keys: KeyRows, _ probabilities: Tensor) {
    precondition(keys.queryCount == inputs.query.rows && keys.rows.count == probabilities.count)
    precondition(inputs.key.stride == inputs.value.stride)
    self.inputs = inputs
    self.keys = keys
    self.probabilities = probabilities
  }

  private var width: Int { inputs.query.columns }
  private var scale: Float { 1 / Float(width).squareRoot() }

  func forward(into output: MatrixView) {
    skt_row_attention(
      output.pointer, output.stride, probabilities.pointer, inputs.query.pointer, inputs.query.stride,
      inputs.key.pointer, inputs.value.pointer, inputs.key.stride, keys.rows, keys.starts, keys.queryCount, width,
      scale)
  }

  func backward(_ dOutput: MatrixView, into gradients: Attention.Inputs, scratch: Tensor) {
    precondition(gradients.key.stride == gradients.value.stride && scratch.count >= keys.longest)
    gradients.key.clear()
    gradients.value.clear()
    skt_row_attention_backward(
      gradients.query.pointer, gradients.query.stride, gradients.key.pointer, gradients.value.pointer,
      gradients.key.stride, scratch.pointer, dOutput.pointer, dOutput.stride, probabilities.pointer,
      inputs.query.pointer, inputs.query.stride, inputs.key.pointer, inputs.value.pointer, inputs.key.stride,
      keys.rows, keys.starts, keys.queryCount, width, scale)
  }
}

extension MatrixView {
  /// Sets every element to zero.
  fileprivate func clear() {
    for row in 0..<rows { (pointer + row * stride).update(repeating: 0, count: columns) }
  }
}
