import COpenBLAS
import Kernels
import Tensors

/// Products by OpenBLAS `sgemm`, of 32-bit floats.
///
/// The library computes on the thread that calls it; large products are divided among the threads of the process's pool.
public struct OpenBLASProduct: MatrixProduct {
  /// Products on up to `threads` threads, which become those of the process's pool.
  public init(threads: Int) {
    ThreadPool.useThreads(threads)
    // Debian's two builds start threads of their own, or OpenMP's: either would be a second pool.
    openblas_set_num_threads(1)
  }

  /// 32-bit floats, and no others.
  public var operandFormat: ElementFormat { .float32 }

  /// One `cblas_sgemm` a thread; each extent must fit into 32 bits.
  public func multiply(_ a: MatrixView, _ b: MatrixView, into c: MatrixView, _ epilogue: Epilogue) {
    checkShapes(a, b, c)
    ThreadPool.shared.forEachTile(a, b, into: c, epilogue) { a, b, c, epilogue in
      multiply(a, b, c, epilogue.accumulation)
      epilogue.finish(c)
    }
  }

  /// One `cblas_sgemm`.
  public func multiplyInTask(_ a: MatrixView, _ b: MatrixView, into c: MatrixView) {
    checkShapes(a, b, c)
    multiply(a, b, c, .replace)
  }

  private func multiply(_ a: MatrixView, _ b: MatrixView, _ c: MatrixView, _ accumulation: Accumulation) {
    guard c.rows > 0, c.columns > 0 else { return }
    cblas_sgemm(
      CblasRowMajor, a.isTransposed ? CblasTrans : CblasNoTrans, b.isTransposed ? CblasTrans : CblasNoTrans,
      blasint(c.rows), blasint(c.columns), blasint(a.shape.columns),
      1, a.pointer, blasint(a.stride), b.pointer, blasint(b.stride),
      accumulation == .add ? 1 : 0, c.pointer, blasint(c.stride))
  }
}

extension OpenBLASProduct {
  /// Version of the library that runs and the CPU whose code it uses, for example `0.3.21 for SkylakeX`.
  public static var version: String {
    let words = String(cString: openblas_get_config()).split(separator: " ")
    let number = words.first { $0.first?.isNumber ?? false } ?? "of unknown version"
    return "\(number) for \(String(cString: openblas_get_corename()))"
  }
}
