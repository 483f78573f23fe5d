import Kernels
import MatrixBackends
import Synchronization

/// Does products as OpenBLAS does, and counts their operations.
final class CountingProduct: MatrixProduct {
  private let base = OpenBLASProduct(threads: 1)
  private let counted = Mutex(0)

  /// Operations since the last reading.
  func takeCount() -> Int {
    counted.withLock { count in
      defer { count = 0 }
      return count
    }
  }

  var operandFormat: ElementFormat { base.operandFormat }

  func multiply(_ a: MatrixView, _ b: MatrixView, into c: MatrixView, _ epilogue: Epilogue) {
    counted.withLock { $0 += 2 * c.rows * c.columns * a.shape.columns }
    base.multiply(a, b, into: c, epilogue)
  }

  func multiplyInTask(_ a: MatrixView, _ b: MatrixView, into c: MatrixView) {
    counted.withLock { $0 += 2 * c.rows * c.columns * a.shape.columns }
    base.multiplyInTask(a, b, into: c)
  }
}
