import CKernels
import Tensors

/// bfloat16 for what crosses the network: half the bytes, with the rounding error kept for the next time.
///
/// Error feedback (Seide et al., 2014; Karimireddy et al., 2019): what rounding takes from one message is added to the next
/// one, so that sums over many steps lose nothing.
public enum Quantization {
  /// Writes `bfloat16(x + residual)` to `q`, and what that took away to `residual`.
  public static func encode(_ x: Tensor, residual: Tensor, into q: UnsafeMutableBufferPointer<UInt16>) {
    precondition(x.count == residual.count && x.count == q.count)
    guard let start = q.baseAddress else { return }
    skt_quantize_bf16(start, residual.pointer, x.pointer, x.count)
  }

  /// Rounds the change of `parameters` since `former`: `q = bfloat16(p - former + residual)`, then `p = former + q`.
  ///
  /// So whoever adds `q` to the former values has the same parameters, to the bit.
  public static func encodeUpdate(
    _ parameters: Tensor, since former: Tensor, residual: Tensor, into q: UnsafeMutableBufferPointer<UInt16>
  ) {
    let count = parameters.count
    precondition(former.count == count && residual.count == count && q.count == count)
    guard let start = q.baseAddress else { return }
    skt_quantize_update_bf16(start, residual.pointer, parameters.pointer, former.pointer, count)
  }

  /// `y += q`.
  public static func add(_ q: UnsafeBufferPointer<UInt16>, to y: Tensor) {
    precondition(q.count == y.count)
    guard let start = q.baseAddress else { return }
    skt_add_bf16(y.pointer, start, q.count)
  }
}
