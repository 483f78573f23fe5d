import CDNNLShims
import Kernels
import Tensors

/// Products by oneDNN, of 32-bit floats or of bfloat16 numbers with 32-bit sums.
///
/// The library computes on the thread that calls it; large products are divided among the threads of the process's pool.
/// Bias, activation and sum are part of its code, so that a result is not read again.
public struct OneDNNProduct: MatrixProduct {
  /// How factors are stored.
  public let operandFormat: ElementFormat

  /// Products on up to `threads` threads, which become those of the process's pool.
  public init(threads: Int, precision: Precision = .fp32) {
    ThreadPool.useThreads(threads)
    operandFormat = precision.format
  }

  /// Some texts of a step take a few rows more than those of another: without this, each would have shapes of its own.
  public var rowMultiple: Int { 32 }

  /// One of the library's products a thread.
  public func multiply(_ a: MatrixView, _ b: MatrixView, into c: MatrixView, _ epilogue: Epilogue) {
    checkShapes(a, b, c)
    guard a.shape.columns > 0 else { return finishEmptySum(c, epilogue) }
    ThreadPool.shared.forEachTile(a, b, into: c, epilogue, run)
  }

  /// One of the library's products.
  public func multiplyInTask(_ a: MatrixView, _ b: MatrixView, into c: MatrixView) {
    checkShapes(a, b, c)
    guard a.shape.columns > 0 else { return finishEmptySum(c, Epilogue()) }
    run(a, b, c, Epilogue())
  }

  private func run(_ a: MatrixView, _ b: MatrixView, _ c: MatrixView, _ epilogue: Epilogue) {
    guard c.rows > 0, c.columns > 0 else { return }
    let products = PreparedProducts.shared
    let product = products.product(
      PreparedProducts.Shape(
        rows: c.rows, columns: c.columns, depth: a.shape.columns, aStride: a.stride, bStride: b.stride,
        cStride: c.stride, aTransposed: a.isTransposed, bTransposed: b.isTransposed, factors: a.format,
        result: c.format, hasBias: epilogue.bias != nil, adds: epilogue.accumulation == .add,
        activation: epilogue.activation))
    products.run(product, a, b, bias: epilogue.bias?.pointer, into: c)
  }

  /// The library leaves a result alone where there is nothing to sum.
  private func finishEmptySum(_ c: MatrixView, _ epilogue: Epilogue) {
    if epilogue.accumulation == .replace {
      for row in 0..<c.rows {
        (c.base + row * c.stride * c.format.size).initializeMemory(
          as: UInt8.self, repeating: 0, count: c.columns * c.format.size)
      }
    }
    if c.rows > 0, epilogue.bias != nil || epilogue.activation != nil { epilogue.finish(c) }
  }
}

extension OneDNNProduct {
  /// Version of the library that runs, for example `2.6.3`.
  public static var version: String {
    let version = Int(dnn_shim_version())
    return "\(version / 10000).\(version / 100 % 100).\(version % 100)"
  }
}
