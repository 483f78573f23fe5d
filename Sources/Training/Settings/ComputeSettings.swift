import Configuration
import Kernels

/// What the encoders are computed with.
public struct ComputeSettings: Sendable {
  /// The numbers that products are taken of.
  public var precision: Precision
  /// Whether activations are made once more in the backward pass, instead of being kept.
  public var recompute: Bool

  init(_ reader: SettingsReader) throws {
    precision = try reader.choice(
      "precision", default: Precision.fp32,
      "factors of the blocks' products: 32-bit floats, or bfloat16 with 32-bit sums, where the CPU has arithmetic for it; "
        + "parameters and gradients are 32-bit either way")
    recompute = try reader.boolean(
      "recompute", default: false,
      "whether backward passes run each block forward once more instead of keeping its activations: the same results, a "
        + "third more time, memory for one block instead of all")
  }
}
