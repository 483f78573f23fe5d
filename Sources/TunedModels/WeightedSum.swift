import Tensors

/// `Σ wᵢ xᵢ` of vectors of one length, taken in double precision in the order given and rounded once.
///
/// A term of weight 0 does not count, whatever it holds; so 1 times a vector is that vector, to the bit.
struct WeightedSum: VectorSource {
  private let terms: [(weight: Double, vector: any VectorSource)]
  let count: Int

  /// Traps where there is no term, or where lengths differ.
  init(_ terms: [(weight: Double, vector: any VectorSource)]) {
    count = terms[0].vector.count
    precondition(terms.allSatisfy { [count] in $0.vector.count == count }, "a sum of vectors of several lengths")
    let counting = terms.filter { $0.weight != 0 }
    self.terms = counting.isEmpty ? [terms[0]] : counting
  }

  func read(_ range: Range<Int>, into destination: UnsafeMutableBufferPointer<Float>) throws {
    let size = 1 << 18
    var sums = [Double](repeating: 0, count: min(size, range.count))
    let piece = Tensor(uninitialized: [sums.count])
    for start in stride(from: range.lowerBound, to: range.upperBound, by: size) {
      let part = start..<min(start + size, range.upperBound)
      for (number, term) in terms.enumerated() {
        let values = piece.slice(0..<part.count).buffer
        try term.vector.read(part, into: values)
        sums.withUnsafeMutableBufferPointer { sums in
          // The first is not added to 0: that would turn -0 into 0.
          if number == 0 {
            for index in 0..<part.count { sums[index] = term.weight * Double(values[index]) }
          } else {
            for index in 0..<part.count { sums[index] += term.weight * Double(values[index]) }
          }
        }
      }
      for index in 0..<part.count { destination[part.lowerBound - range.lowerBound + index] = Float(sums[index]) }
    }
  }
}
