#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// The learning rate of each epoch: a constant warm-up, then a cosine without restart.
///
/// Epoch `e >= W` has `base * (1 + cos(pi (e - W) / E)) / 2`: the cosine begins at its top after the warm-up and spans all
/// E epochs, so that it does not reach its end. Source: docs/method.md, "Optimiser and schedule".
public struct LearningRateSchedule: Sendable, Equatable {
  /// Rate at the top of the cosine.
  public var base: Double
  /// Epochs of the run (E).
  public var epochs: Int
  /// Epochs of warm-up (W).
  public var warmupEpochs: Int
  /// Rate during the warm-up.
  public var warmupRate: Double

  /// A schedule over `epochs` epochs.
  public init(base: Double, epochs: Int, warmupEpochs: Int, warmupRate: Double) {
    self.base = base
    self.epochs = epochs
    self.warmupEpochs = warmupEpochs
    self.warmupRate = warmupRate
  }

  /// The rate of an epoch, counted from 0.
  public func rate(epoch: Int) -> Double {
    guard epoch >= warmupEpochs else { return warmupRate }
    return base * (1 + cos(Double.pi * Double(epoch - warmupEpochs) / Double(epochs))) / 2
  }
}
