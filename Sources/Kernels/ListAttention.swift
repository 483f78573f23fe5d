import CKernels
import Tensors

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
