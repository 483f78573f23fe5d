import CKernels
import Tensors

/// What floats are rounded to where they are kept and not computed with.
public enum StoragePrecision: String, Sendable, CaseIterable {
  /// Nothing is rounded.
  case float32 = "fp32"
  /// IEEE 754 binary16: 11 bits, up to 65,504.
  case float16 = "fp16"
  /// The upper half of a float: 8 bits, the range of floats.
  case bfloat16 = "bf16"

  /// Bytes of an element.
  public var byteCount: Int { self == .float32 ? 4 : 2 }

  /// Writes `x`, rounded to nearest, ties to even, to as many elements of this precision.
  ///
  /// False where a finite number is too large for it, and has become infinite.
  public func encode(_ x: Tensor, into bytes: UnsafeMutableRawBufferPointer) -> Bool {
    precondition(bytes.count == x.count * byteCount, "\(bytes.count) bytes for \(x.count) elements")
    guard let start = bytes.baseAddress else { return true }
    switch self {
    case .float32:
      bytes.copyMemory(from: UnsafeRawBufferPointer(x.buffer))
      return true
    case .float16: return skt_to_fp16(start.assumingMemoryBound(to: UInt16.self), x.pointer, x.count) == 1
    case .bfloat16: return skt_to_bf16(start.assumingMemoryBound(to: UInt16.self), x.pointer, x.count) == 1
    }
  }

  /// Reads as many elements of this precision as `x` has; exact.
  public func decode(_ bytes: UnsafeRawBufferPointer, into x: Tensor) {
    precondition(bytes.count == x.count * byteCount, "\(bytes.count) bytes for \(x.count) elements")
    guard let start = bytes.baseAddress else { return }
    switch self {
    case .float32: UnsafeMutableRawBufferPointer(x.buffer).copyMemory(from: bytes)
    case .float16: skt_from_fp16(x.pointer, start.assumingMemoryBound(to: UInt16.self), x.count)
    case .bfloat16: skt_from_bf16(x.pointer, start.assumingMemoryBound(to: UInt16.self), x.count)
    }
  }
}
