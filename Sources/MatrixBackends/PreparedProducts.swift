import CDNNLShims
import Kernels
import Synchronization

/// The products that oneDNN has prepared in this process, by shape.
///
/// Preparing takes about half a millisecond, and what is prepared stays: a training has some dozens of shapes.
final class PreparedProducts: Sendable {
  /// All that the library's code depends on.
  struct Shape: Hashable {
    let rows, columns, depth: Int
    let aStride, bStride, cStride: Int
    let aTransposed, bTransposed: Bool
    let factors, result: ElementFormat
    let hasBias, adds: Bool
    let activation: Activation?
  }

  /// A product of one shape; the library's side is made for use from several threads at once.
  struct Prepared: @unchecked Sendable {
    fileprivate let handle: OpaquePointer
  }

  static let shared = PreparedProducts()

  private let products = Mutex<[Shape: Prepared]>([:])

  /// Shapes that are prepared.
  var count: Int { products.withLock { $0.count } }

  /// The product of a shape, prepared if it is new.
  func product(_ shape: Shape) -> Prepared {
    products.withLock { products in
      if let product = products[shape] { return product }
      var handle: OpaquePointer?
      var description = dnn_shim_shape(shape)
      check(dnn_shim_product_create(&handle, &description), "preparing \(shape)")
      let product = Prepared(handle: handle!)
      products[shape] = product
      return product
    }
  }

  /// Computes a product on the calling thread.
  func run(_ product: Prepared, _ a: MatrixView, _ b: MatrixView, bias: UnsafePointer<Float>?, into c: MatrixView) {
    check(dnn_shim_product_run(product.handle, a.base, b.base, bias, c.base), "computing a product")
  }

  /// Every status of the library passes here.
  ///
  /// Shapes are checked before, so what is left is a lack of memory or a defect, neither of which a run survives.
  private func check(_ status: Int32, _ call: @autoclosure () -> String) {
    guard status != 0 else { return }
    fatalError("oneDNN, \(call()): \(String(cString: dnn_shim_status(status)))")
  }
}

extension dnn_shim_shape {
  fileprivate init(_ shape: PreparedProducts.Shape) {
    func format(_ format: ElementFormat) -> dnn_shim_format {
      format == .float32 ? DNN_SHIM_FLOAT32 : DNN_SHIM_BFLOAT16
    }
    let activation =
      switch shape.activation {
      case nil: DNN_SHIM_NONE
      case .quickGELU: DNN_SHIM_QUICK_GELU
      case .gelu: DNN_SHIM_GELU
      }
    self.init(
      rows: Int64(shape.rows), columns: Int64(shape.columns), depth: Int64(shape.depth),
      a_stride: Int64(shape.aStride), b_stride: Int64(shape.bStride), c_stride: Int64(shape.cStride),
      a_transposed: shape.aTransposed ? 1 : 0, b_transposed: shape.bTransposed ? 1 : 0,
      factors: format(shape.factors), result: format(shape.result), has_bias: shape.hasBias ? 1 : 0,
      adds: shape.adds ? 1 : 0, activation: activation)
  }
}
