import Tensors

#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// `loss = -log softmax(logits)[label]`, per row.
public enum CrossEntropy {
  /// Returns the loss of each row of `logits [n, classes]` and overwrites the logits with their gradient times `scale`.
  ///
  /// The rows are few (a batch), so losses are summed in double precision.
  public static func lossesAndGradient(_ logits: Tensor, labels: [Int], scale: Float) -> [Double] {
    precondition(labels.count == logits.rowCount && labels.allSatisfy { $0 >= 0 && $0 < logits.columnCount })
    return labels.indices.map { row in
      let x = logits.row(row)
      let top = Double(x.buffer.max()!)
      let exponentials = x.buffer.map { exp(Double($0) - top) }
      let sum = exponentials.reduce(0, +)
      let loss = log(sum) + top - Double(x[labels[row]])
      for column in exponentials.indices {
        let target = column == labels[row] ? 1.0 : 0.0
        x[column] = scale * Float(exponentials[column] / sum - target)
      }
      return loss
    }
  }
}
