import Configuration
import Kernels

/// What the encoders are computed with.
public struct ComputeSettings: Sendable {
  /// The numbers that products are taken of.
  public var precision: Precision

  init(_ reader: SettingsReader) throws {
    precision = try reader.choice(
      "precision", default: Precision.fp32,
      "factors of the blocks' products: 32-bit floats, or bfloat16 with 32-bit sums, where the CPU has arithmetic for it; "
        + "parameters and gradients are 32-bit either way")
  }
}
