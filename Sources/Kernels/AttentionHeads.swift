import CKernels
import Tensors

/// One head over sequences whose rows all see each other: dense products.
struct SequenceHead {
  private let inputs: Attention.Inputs
  private let offsets: [Int]
  private let probabilities: Tensor  // a square per sequence

  init(_ inputs: Attention.Inputs, _ offsets: [Int], _ probabilities: Tensor) {
    self.inputs = inputs
    self.offsets = offsets
    self.probabilities = probabilities
  }

  private var scale: Float { 1 / Float(inputs.query.columns).squareRoot() }

  func forward(into output: MatrixView, by product: some MatrixProduct) {
    forEachSequence { rows, p in
      product.multiply(inputs.query.rows(rows), inputs.key.rows(rows).transposed, into: p)
      skt_softmax(p.pointer, rows.count, rows.count, scale)
      product.multiply(p, inputs.value.rows(rows), into: output.rows(rows))
    }
  }

  func backward(
    _ dOutput: MatrixView, into gradients: Attention.Inputs, _ arena: Arena, by product: some MatrixProduct
  ) {
    forEachSequence { rows, p in
      arena.scoped {
        let dScores = MatrixView(arena.tensor([rows.count, rows.count]))
        let dOutput = dOutput.rows(rows)
        product.multiply(p.transposed, dOutput, into: gradients.value.rows(rows))
        product.multiply(dOutput, inputs.value.rows(rows).transposed, into: dScores)
        skt_softmax_backward(dScores.pointer, dScores.pointer, p.pointer, rows.count, rows.count, scale)
        product.multiply(dScores, inputs.key.rows(rows), into: gradients.query.rows(rows))
        product.multiply(dScores.transposed, inputs.query.rows(rows), into: gradients.key.rows(rows))
      }
    }
  }

  private func forEachSequence(_ body: (_ rows: Range<Int>, _ probabilities: MatrixView) -> Void) {
    var start = 0
    for sequence in 0..<offsets.count - 1 {
      let rows = offsets[sequence]..<offsets[sequence + 1]
      precondition(start + rows.count * rows.count <= probabilities.count)
      body(
        rows,
        MatrixView(probabilities.pointer + start, rows: rows.count, columns: rows.count, stride: rows.count))
      start += rows.count * rows.count
    }
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

  func backward(_ dOutput: MatrixView, into gradients: Attention.Inputs, _ arena: Arena) {
    precondition(gradients.key.stride == gradients.value.stride)
    gradients.key.clear()
    gradients.value.clear()
    skt_row_attention_backward(
      gradients.query.pointer, gradients.query.stride, gradients.key.pointer, gradients.value.pointer,
      gradients.key.stride, arena.tensor([keys.longest]).pointer, dOutput.pointer, dOutput.stride,
      probabilities.pointer, inputs.query.pointer, inputs.query.stride, inputs.key.pointer, inputs.value.pointer,
      inputs.key.stride, keys.rows, keys.starts, keys.queryCount, width, scale)
  }
}

extension MatrixView {
  /// Sets every element to zero.
  fileprivate func clear() {
    for row in 0..<rows { (pointer + row * stride).update(repeating: 0, count: columns) }
  }
}
