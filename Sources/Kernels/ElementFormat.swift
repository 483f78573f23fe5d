/// How the numbers of a matrix are stored.
public enum ElementFormat: Sendable {
  /// IEEE 754 binary32.
  case float32
  /// The upper half of a binary32: its range, and 8 bits of precision.
  case bfloat16

  /// Bytes of one number.
  public var size: Int { self == .float32 ? 4 : 2 }
}

/// The numbers that products of the encoders' blocks are taken of; sums are 32-bit either way.
public enum Precision: String, Sendable, CaseIterable {
  /// 32-bit floats.
  case fp32
  /// bfloat16 factors; parameters, residuals, norms, gradients of parameters and whatever decides stay 32-bit.
  case bf16

  /// The format of factors.
  public var format: ElementFormat { self == .fp32 ? .float32 : .bfloat16 }
}
