import Collectives

/// Times of something done again and again.
enum Timing {
  /// Fewest and most times that something is done.
  static let repetitions = 3...30

  /// Median seconds of `body`, which is done once before, and then until `budget` seconds have passed.
  static func median(budget: Double, _ body: () throws -> Void) rethrows -> Double {
    try body()
    var times: [Double] = []
    while times.count < repetitions.lowerBound || (times.reduce(0, +) < budget && times.count < repetitions.upperBound)
    {
      times.append(try seconds(body))
    }
    return middle(times)
  }

  /// Seconds of one `body`.
  static func seconds(_ body: () throws -> Void) rethrows -> Double {
    let start = ContinuousClock.now
    try body()
    return start.duration(to: .now) / .seconds(1)
  }

  /// The middle one, or the upper of two.
  static func middle(_ values: [Double]) -> Double { values.sorted()[values.count / 2] }
}

extension Collectives {
  /// The median of one number of each rank.
  ///
  /// Collective: all ranks call this in the same order.
  func median(_ value: Double) throws -> Double {
    var values = [Double](repeating: 0, count: worldSize)
    values[rank] = value
    try allReduce(&values, .sum)
    return Timing.middle(values)
  }
}
