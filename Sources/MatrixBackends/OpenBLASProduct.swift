import COpenBLAS
import Kernels
import Tensors

/// Products by OpenBLAS `sgemm`.
///
/// OpenBLAS keeps one pool of threads per process, so the thread count is a setting of the process, not of a value.
public struct OpenBLASProduct: MatrixProduct {
  /// Products on up to `threads` threads.
  public init(threads: Int) {
    precondition(threads > 0, "products need a thread")
    openblas_set_num_threads(Int32(threads))
  }

  /// One `cblas_sgemm`; each extent must fit into 32 bits.
  public func multiply(_ a: MatrixView, _ b: MatrixView, into c: MatrixView, _ accumulation: Accumulation) {
    checkShapes(a, b, c)
    guard c.rows > 0, c.columns > 0 else { return }
    cblas_sgemm(
      CblasRowMajor, a.isTransposed ? CblasTrans : CblasNoTrans, b.isTransposed ? CblasTrans : CblasNoTrans,
      blasint(c.rows), blasint(c.columns), blasint(a.shape.columns),
      1, a.pointer, blasint(a.stride), b.pointer, blasint(b.stride),
      accumulation == .add ? 1 : 0, c.pointer, blasint(c.stride))
  }
}
