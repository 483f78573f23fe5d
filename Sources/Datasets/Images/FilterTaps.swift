import CImageShims

/// The weights of one pass of an antialiased bicubic filter (Keys, a = -0.5), as Pillow computes them.
///
/// Output i of `outputSize` lies at `(i + 0.5) x scale` of the input. When shrinking, the kernel is stretched by the
/// scale, so that every input counts. Weights sum to 1 before they are rounded to `IMAGE_WEIGHT_BITS` fractional bits.
struct FilterTaps {
  /// Inputs that any output of the window needs; `first` counts from its lower bound.
  private(set) var inputs = 0..<0
  /// First input of each output.
  private(set) var first: [Int32] = []
  /// Inputs of each output.
  private(set) var count: [Int32] = []
  /// `[outputs, stride]`, the tail of a row unused.
  private(set) var weights: [Int32] = []
  private let stride: Int

  /// The taps of the outputs in `window`, a non-empty part of `0..<outputSize`.
  init(inputSize: Int, outputSize: Int, window: Range<Int>) {
    precondition(inputSize > 0 && !window.isEmpty && window.lowerBound >= 0 && window.upperBound <= outputSize)
    let scale = Double(inputSize) / Double(outputSize)
    let stretch = max(scale, 1)
    let support = 2 * stretch
    stride = Int(support.rounded(.up)) * 2 + 1
    weights = [Int32](repeating: 0, count: window.count * stride)
    var row = [Double](repeating: 0, count: stride)
    var starts: [Int] = []
    for (position, output) in window.enumerated() {
      let center = (Double(output) + 0.5) * scale
      let begin = max(0, Int(center - support + 0.5))
      let end = min(inputSize, Int(center + support + 0.5))
      for t in 0..<end - begin { row[t] = Self.cubic((Double(begin + t) - center + 0.5) * (1 / stretch)) }
      store(row[..<(end - begin)], at: position * stride)
      starts.append(begin)
      count.append(Int32(end - begin))
    }
    // Both ends grow with the output, so the first and the last output span all of them.
    inputs = starts[0]..<starts[starts.count - 1] + Int(count[count.count - 1])
    first = starts.map { Int32($0 - inputs.lowerBound) }
  }

  /// Normalises weights and rounds them half away from zero.
  private mutating func store(_ row: ArraySlice<Double>, at offset: Int) {
    let sum = row.reduce(0, +)
    for (t, weight) in row.enumerated() {
      let fixed = (sum == 0 ? weight : weight / sum) * Double(1 << IMAGE_WEIGHT_BITS)
      weights[offset + t] = Int32(fixed + (fixed < 0 ? -0.5 : 0.5))
    }
  }

  /// Keys' cubic convolution kernel with a = -0.5.
  private static func cubic(_ distance: Double) -> Double {
    let a = -0.5
    let x = abs(distance)
    if x < 1 { return ((a + 2) * x - (a + 3)) * x * x + 1 }
    return x < 2 ? (((x - 5) * x + 8) * x - 4) * a : 0
  }

  /// Calls `body` with the form that the C kernels read.
  func withTaps<Result>(_ body: (ImageTaps) -> Result) -> Result {
    first.withUnsafeBufferPointer { first in
      count.withUnsafeBufferPointer { count in
        weights.withUnsafeBufferPointer { weights in
          body(
            ImageTaps(
              first: first.baseAddress, count: count.baseAddress, weights: weights.baseAddress, weight_stride: stride,
              outputs: first.count))
        }
      }
    }
  }
}
