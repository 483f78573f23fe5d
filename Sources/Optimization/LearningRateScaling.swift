/// How learning rates that were chosen for one batch size become those of another.
///
/// A step over k times as many images averages k gradients, so in an epoch there are k times fewer steps. Rates that are k
/// times as high make up for it as long as gradients hardly change within k steps (Goyal et al. 2017, arXiv:1706.02677);
/// sqrt(k) keeps the variance of the updates instead (Krizhevsky 2014, arXiv:1404.5997).
public enum LearningRateScaling: String, Sendable, CaseIterable {
  /// Rates are used as they are given.
  case none
  /// Rates grow with the batch.
  case linear
  /// Rates grow with the square root of the batch.
  case sqrt

  /// What a rate chosen for `base` images per step is multiplied by for `batch` images.
  public func factor(batch: Int, base: Int) -> Double {
    precondition(batch > 0 && base > 0, "batches of \(batch) and \(base) images")
    let ratio = Double(batch) / Double(base)
    return switch self {
    case .none: 1
    case .linear: ratio
    case .sqrt: ratio.squareRoot()
    }
  }
}
