import Foundation

/// What some values, one per seed, say of the value for any seed.
package struct SeedStatistics: Equatable, Sendable {
  package let count: Int
  package let mean: Double
  /// Sample standard deviation, over n - 1; nil for a single value.
  package let deviation: Double?
  /// Half the width of the 95 % interval of the mean by Student's t; nil for a single value.
  package let interval: Double?

  /// Of at least one value.
  package init(_ values: [Double]) {
    precondition(!values.isEmpty, "statistics of nothing")
    count = values.count
    let mean = values.reduce(0, +) / Double(values.count)
    self.mean = mean
    guard values.count > 1 else {
      (deviation, interval) = (nil, nil)
      return
    }
    let squares = values.map { ($0 - mean) * ($0 - mean) }.reduce(0, +)
    let deviation = (squares / Double(values.count - 1)).squareRoot()
    self.deviation = deviation
    interval = StudentT.bound(coverage: 0.95, freedom: values.count - 1) * deviation / Double(values.count).squareRoot()
  }
}

/// Student's t distribution.
enum StudentT {
  /// The t of which -t to t holds a share `coverage` of the distribution with so many degrees of freedom.
  static func bound(coverage: Double, freedom: Int) -> Double {
    precondition(freedom > 0 && coverage > 0 && coverage < 1, "no such distribution")
    var (low, high) = (0.0, 1.0)
    while covered(high, freedom) < coverage { high *= 2 }
    // Until the ends are neighbours.
    while true {
      let middle = (low + high) / 2
      if middle <= low || middle >= high { return middle }
      if covered(middle, freedom) < coverage { low = middle } else { high = middle }
    }
  }

  /// The probability of -t to t: 1 - I(n / (n + t^2); n/2, 1/2).
  private static func covered(_ t: Double, _ freedom: Int) -> Double {
    let n = Double(freedom)
    return 1 - incompleteBeta(n / (n + t * t), n / 2, 0.5)
  }

  /// The regularised incomplete beta function.
  private static func incompleteBeta(_ x: Double, _ a: Double, _ b: Double) -> Double {
    if x <= 0 { return 0 }
    if x >= 1 { return 1 }
    // The fraction converges fast on this side of the mean; the other follows by symmetry.
    if x > (a + 1) / (a + b + 2) { return 1 - incompleteBeta(1 - x, b, a) }
    let front = exp(lgamma(a + b) - lgamma(a) - lgamma(b) + a * log(x) + b * log1p(-x)) / a
    return front / fraction(x, a, b)
  }

  /// 1 + d1 / (1 + d2 / (1 + ...)), the continued fraction of the incomplete beta function, by Lentz's method.
  private static func fraction(_ x: Double, _ a: Double, _ b: Double) -> Double {
    var (value, c, d) = (1.0, 1.0, 0.0)
    for index in 1...500 {
      let m = Double(index / 2)
      let numerator =
        index.isMultiple(of: 2)
        ? m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        : -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
      d = 1 / (1 + numerator * d)
      c = 1 + numerator / c
      value *= c * d
      if abs(c * d - 1) < 1e-15 { break }
    }
    return value
  }
}
