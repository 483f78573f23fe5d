/// The two 16-bit float formats: widening, which is exact, and rounding to the one that products use.
public enum HalfPrecision {
  /// IEEE 754 binary16 bits as a float.
  public static func float(fromFloat16 bits: UInt16) -> Float {
    let sign = UInt32(bits & 0x8000) << 16
    let exponent = UInt32(bits >> 10) & 0x1F
    let fraction = UInt32(bits & 0x3FF)
    switch exponent {
    case 0:  // Zero and subnormals: fraction x 2^-24.
      return Float(bitPattern: sign | (Float(fraction) * 0x1p-24).bitPattern)
    case 0x1F:
      return Float(bitPattern: sign | 0x7F80_0000 | fraction << 13)
    default:
      return Float(bitPattern: sign | (exponent + 112) << 23 | fraction << 13)
    }
  }

  /// bfloat16 bits (the upper half of a float) as a float.
  public static func float(fromBFloat16 bits: UInt16) -> Float { Float(bitPattern: UInt32(bits) << 16) }

  /// The bfloat16 bits nearest to a float, of equally near ones the even; NaN stays NaN.
  public static func bfloat16(rounding value: Float) -> UInt16 {
    let bits = value.bitPattern
    if value.isNaN { return UInt16(truncatingIfNeeded: bits >> 16) | 0x40 }
    return UInt16(truncatingIfNeeded: (bits &+ 0x7FFF &+ (bits >> 16 & 1)) >> 16)
  }
}
