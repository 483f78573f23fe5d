import Tensors

/// `|value - truth| / |truth|` in Euclidean length, taken in double precision.
///
/// A length rather than element by element: single elements that nearly cancel have no relative precision in any
/// implementation.
public func relativeError(_ value: Tensor, _ truth: Tensor) -> Double {
  precondition(value.count == truth.count, "\(value.shape) against \(truth.shape)")
  return relativeError(value.buffer.map(Double.init), truth.buffer.map(Double.init))
}

/// The same of plain numbers.
///
/// Not a number if either side is not.
public func relativeError(_ value: [Double], _ truth: [Double]) -> Double {
  precondition(value.count == truth.count)
  let difference = zip(value, truth).reduce(0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) }
  let length = truth.reduce(0) { $0 + $1 * $1 }
  return difference == 0 ? 0 : (difference / length).squareRoot()
}

/// Independent normal numbers, the same for the same seed.
public func normalTensor(_ shape: [Int], seed: UInt64, deviation: Float = 1) -> Tensor {
  var random = CounterRandom(seed: seed)
  let tensor = Tensor(uninitialized: shape)
  for index in 0..<tensor.count {
    // The sum of twelve uniforms has variance 1; tails do not matter here.
    tensor[index] = deviation * Float((0..<12).reduce(-6.0) { sum, _ in sum + random.uniform() })
  }
  return tensor
}
