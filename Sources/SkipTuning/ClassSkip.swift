import Tensors

#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// CSkip, the class-wise skip: a batch trains against the classes that its images resemble most, and a few of the rest.
///
/// Classes are ranked by their best similarity to an image of the batch. The first `topCount` rank positions are always
/// kept, later ones with a probability that falls with the rank. Source: docs/method.md, "CSkip".
public struct ClassSkip: Sendable {
  /// The hyper-parameters.
  public struct Settings: Sendable, Equatable {
    /// Share of the classes that is always kept (r); above 1, their number.
    public var ratio: Double
    /// Upper bound of the classes always kept.
    public var cap: Int
    /// How slowly the probability of keeping falls with the rank (lambda).
    public var lambda: Double
    /// When the mask over rank positions is drawn.
    public var redraw: Redraw

    /// The published settings unless others are given.
    public init(ratio: Double = 0.5, cap: Int = 50, lambda: Double = 0.3, redraw: Redraw = .perRun) {
      self.ratio = ratio
      self.cap = cap
      self.lambda = lambda
      self.redraw = redraw
    }
  }

  /// When the mask over rank positions is drawn.
  public enum Redraw: String, Sendable, CaseIterable {
    /// Once, and kept for every batch, as published.
    case perRun = "per-run"
    /// Anew for every step.
    case perStep = "per-step"
  }

  /// The score that an image gives its own class: above any cosine, so that it ranks first.
  public static let ownClassScore: Float = 1e4

  /// Classes of the task (C).
  public let classCount: Int
  /// Rank positions that are always kept (K); all of them where nothing is skipped.
  public let topCount: Int
  /// Chance of each rank position to be kept; 1 for the first `topCount`.
  public let probabilities: [Double]
  private let redraw: Redraw
  private let seed: UInt64
  private let givenMask: [Bool]?

  /// The stream of random numbers that masks are drawn from; no other purpose uses it.
  private static let stream: UInt32 = 0xC5_1C_1A_55

  /// Skipping among `classCount` classes.
  ///
  /// A `mask` over rank positions replaces the drawn one; it must have `classCount` entries.
  public init(classCount: Int, _ settings: Settings, seed: UInt64, mask: [Bool]? = nil) {
    precondition(classCount > 0 && mask.map { $0.count == classCount } ?? true)
    self.classCount = classCount
    topCount = Self.topCount(of: classCount, settings)
    probabilities =
      Array(repeating: 1, count: topCount)
      + Self.tailProbabilities(count: classCount - topCount, lambda: settings.lambda)
    redraw = settings.redraw
    self.seed = seed
    givenMask = mask
  }

  /// K: `ceil(r C)` for r up to 1, else `min(ceil(r), C)`; at most `cap`.
  ///
  /// All classes where r is 1.
  static func topCount(of classCount: Int, _ settings: Settings) -> Int {
    guard settings.ratio != 1 else { return classCount }
    let wanted = settings.ratio < 1 ? settings.ratio * Double(classCount) : settings.ratio
    return min(Int(min(wanted.rounded(.up), Double(classCount))), settings.cap)
  }

  /// `p_j = (f_j - min f) / (max f - min f)` with `f(x) = exp(-x / lambda) / lambda` at `count` points from 0 to 5.
  ///
  /// A single point would be 0 / 0; it is kept.
  static func tailProbabilities(count: Int, lambda: Double) -> [Double] {
    guard count > 1 else { return Array(repeating: 1, count: count) }
    let f = (0..<count).map { exp(-5 * Double($0) / Double(count - 1) / lambda) / lambda }
    return f.map { ($0 - f[count - 1]) / (f[0] - f[count - 1]) }
  }

  /// Which rank positions are kept at a step.
  public func mask(step: Int) -> [Bool] {
    if let givenMask { return givenMask }
    let draw = redraw == .perRun ? 0 : UInt32(truncatingIfNeeded: step)
    var random = CounterRandom(seed: seed, stream: Self.stream, draw)
    return probabilities.map { random.uniform() < $0 }
  }

  /// The classes to train against, ascending.
  ///
  /// `scores [classCount]` is the best similarity of each class to any image of the whole batch, `ownClassScore` for the
  /// classes of the images; those are kept even where there are more of them than kept positions. Equal scores rank by
  /// class.
  public func keptClasses(scores: [Float], step: Int) -> [Int] {
    precondition(scores.count == classCount)
    guard topCount < classCount else { return Array(0..<classCount) }
    let ranking = scores.indices.sorted { scores[$0] != scores[$1] ? scores[$0] > scores[$1] : $0 < $1 }
    return zip(ranking, mask(step: step))
      .filter { $1 || scores[$0] >= Self.ownClassScore }
      .map(\.0)
      .sorted()
  }
}
