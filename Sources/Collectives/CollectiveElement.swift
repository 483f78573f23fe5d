/// The element types that collectives can reduce; a closed set, as each one needs a counterpart in every implementation.
public enum ElementKind: String, Sendable, CaseIterable {
  case float32, float64, int64
}

/// A number that collectives can reduce: `Float`, `Double` or `Int64`.
///
/// Do not conform other types: implementations know these three only.
public protocol CollectiveElement: BitwiseCopyable, Sendable, AdditiveArithmetic, Comparable {
  /// Which of the supported types this is.
  static var elementKind: ElementKind { get }

  /// One of the two values, or a sum, as `Reduction` says; the reference that every implementation must agree with.
  static func reduce(_ left: Self, _ right: Self, _ operation: Reduction) -> Self
}

extension CollectiveElement where Self: BinaryFloatingPoint {
  /// A sum, or the greater or lesser of two values; not a number if one of them is not.
  public static func reduce(_ left: Self, _ right: Self, _ operation: Reduction) -> Self {
    switch operation {
    case .sum: left + right
    case .max: left.isNaN || left > right ? left : right
    case .min: left.isNaN || left < right ? left : right
    }
  }
}

extension Float: CollectiveElement {
  /// 32-bit floating point.
  public static var elementKind: ElementKind { .float32 }
}

extension Double: CollectiveElement {
  /// 64-bit floating point.
  public static var elementKind: ElementKind { .float64 }
}

extension Int64: CollectiveElement {
  /// 64-bit signed integer.
  public static var elementKind: ElementKind { .int64 }

  /// A sum that wraps around, or the greater or lesser of two values.
  public static func reduce(_ left: Self, _ right: Self, _ operation: Reduction) -> Self {
    switch operation {
    case .sum: left &+ right
    case .max: Swift.max(left, right)
    case .min: Swift.min(left, right)
    }
  }
}
