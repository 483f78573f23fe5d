import CDNNLShims
import COpenBLAS
import Kernels
import Tensors

/// The products that are fastest on this machine.
///
/// By rule, not by a stopwatch, so that every run and every rank of a kind of machine adds in the same order: oneDNN where
/// the CPU has 512-bit vectors, on which it was between as fast as OpenBLAS and twice as fast for every shape that was
/// measured (docs/benchmarks.md); OpenBLAS elsewhere, where both are equally fast and one adds less to each call.
public struct MachineProduct: MatrixProduct, CustomStringConvertible {
  /// What this machine can do.
  public struct Capabilities: Sendable, Equatable {
    /// Whether there are 512-bit vectors.
    public var wideVectors: Bool
    /// Whether there is arithmetic of bfloat16 numbers.
    public var bfloat16: Bool

    /// Facts of some machine.
    public init(wideVectors: Bool, bfloat16: Bool) {
      self.wideVectors = wideVectors
      self.bfloat16 = bfloat16
    }

    /// What the CPU has, and oneDNN uses.
    public static var here: Capabilities {
      var (wide, narrow): (Int32, Int32) = (0, 0)
      dnn_shim_capabilities(&wide, &narrow)
      return Capabilities(wideVectors: wide != 0, bfloat16: narrow != 0)
    }

    /// The precision that serves a wish best: without arithmetic of bfloat16 numbers, 32-bit floats are faster.
    public func precision(for wish: Precision) -> Precision { bfloat16 ? wish : .fp32 }
  }

  private enum Library {
    case openBLAS(OpenBLASProduct)
    case oneDNN(OneDNNProduct)
  }

  private let library: Library

  /// Products on up to `threads` threads, which become those of the process's pool; in 32-bit floats where the CPU has no
  /// arithmetic of bfloat16 numbers.
  public init(threads: Int, precision: Precision = .fp32) {
    let capabilities = Capabilities.here
    library =
      capabilities.wideVectors
      ? .oneDNN(OneDNNProduct(threads: threads, precision: capabilities.precision(for: precision)))
      : .openBLAS(OpenBLASProduct(threads: threads))
  }

  /// The library that computes, with its version and what it found here.
  public var description: String {
    switch library {
    case .openBLAS: "OpenBLAS for \(String(cString: openblas_get_corename()))"
    case .oneDNN(let product): "oneDNN \(OneDNNProduct.version), \(product.operandFormat == .float32 ? "fp32" : "bf16")"
    }
  }

  /// As the library's.
  public var operandFormat: ElementFormat {
    switch library {
    case .openBLAS(let product): product.operandFormat
    case .oneDNN(let product): product.operandFormat
    }
  }

  /// As the library's.
  public var rowMultiple: Int {
    switch library {
    case .openBLAS(let product): product.rowMultiple
    case .oneDNN(let product): product.rowMultiple
    }
  }

  /// As the library's.
  public func multiply(_ a: MatrixView, _ b: MatrixView, into c: MatrixView, _ epilogue: Epilogue) {
    switch library {
    case .openBLAS(let product): product.multiply(a, b, into: c, epilogue)
    case .oneDNN(let product): product.multiply(a, b, into: c, epilogue)
    }
  }

  /// As the library's.
  public func multiplyInTask(_ a: MatrixView, _ b: MatrixView, into c: MatrixView) {
    switch library {
    case .openBLAS(let product): product.multiplyInTask(a, b, into: c)
    case .oneDNN(let product): product.multiplyInTask(a, b, into: c)
    }
  }
}
