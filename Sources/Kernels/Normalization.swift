import CKernels
import Tensors

/// `y = x / |x|`, row by row: features on the unit sphere.
public enum Normalization {
  /// Writes `y [n, e]` and the rows' lengths `norm [n]` from `x [n, e]`; `y` may be `x`.
  public static func forward(_ x: Tensor, into y: Tensor, norm: Tensor) {
    precondition(x.count == y.count && norm.count == x.rowCount)
    skt_normalize(y.pointer, norm.pointer, x.pointer, x.rowCount, x.columnCount)
  }

  /// Turns `dy [n, e]` into the gradient of `x`, in place, from the normalised rows `y` and their lengths.
  public static func backward(_ dy: Tensor, y: Tensor, norm: Tensor) {
    precondition(dy.count == y.count && norm.count == y.rowCount)
    skt_normalize_backward(dy.pointer, dy.pointer, y.pointer, norm.pointer, y.rowCount, y.columnCount)
  }
}
