import Tensors

/// How far a second vector lies from a first, element by element; sums are taken in double precision.
package struct VectorDistance: Equatable, Sendable {
  /// Elements that were compared.
  package private(set) var count = 0
  /// Elements whose bits differ: 0 and -0 do, two equal NaN do not.
  package private(set) var differing = 0
  /// Greatest `|second - first|` of an element; not a number where one of them is not.
  package private(set) var greatest = 0.0
  private var squaredDifferences = 0.0
  private var squaredFirst = 0.0

  /// Of nothing yet.
  package init() {}

  /// Of the elements `firstRange` of one vector and as many, `secondRange`, of another.
  ///
  /// Memory is that of a piece of each. Throws what reading them throws.
  package init(
    from first: some VectorSource, _ firstRange: Range<Int>, to second: some VectorSource, _ secondRange: Range<Int>
  ) throws {
    precondition(firstRange.count == secondRange.count, "elements \(firstRange) and \(secondRange)")
    let offset = secondRange.lowerBound - firstRange.lowerBound
    let size = 1 << 20
    let others = Tensor(uninitialized: [min(size, firstRange.count)])
    try first.forEachPiece(of: firstRange, size: size) { part, values in
      let piece = others.slice(0..<part.count)
      try second.read(part.lowerBound + offset..<part.upperBound + offset, into: piece.buffer)
      add(values, piece)
    }
  }

  /// Adds elements and what they are compared with.
  package mutating func add(_ first: Tensor, _ second: Tensor) {
    precondition(first.count == second.count, "\(first.count) against \(second.count) elements")
    let (firstValues, secondValues) = (first.pointer, second.pointer)
    for index in 0..<first.count {
      let (x, y) = (firstValues[index], secondValues[index])
      if x.bitPattern != y.bitPattern { differing += 1 }
      let difference = Double(y) - Double(x)
      squaredDifferences += difference * difference
      squaredFirst += Double(x) * Double(x)
      // What is not a number is neither above nor below, and stays.
      if !(difference.magnitude <= greatest), !greatest.isNaN { greatest = difference.magnitude }
    }
    count += first.count
  }

  /// Adds what another distance counted.
  package mutating func add(_ other: VectorDistance) {
    count += other.count
    differing += other.differing
    squaredDifferences += other.squaredDifferences
    squaredFirst += other.squaredFirst
    if !(other.greatest <= greatest), !greatest.isNaN { greatest = other.greatest }
  }

  /// Whether all bits are equal.
  package var isZero: Bool { differing == 0 }

  /// Euclidean length of the difference.
  package var length: Double { squaredDifferences.squareRoot() }

  /// Euclidean length of the first vector.
  package var firstLength: Double { squaredFirst.squareRoot() }

  /// `|second - first| / |first|` in Euclidean length: 0 for no difference, infinite from zeros to anything else.
  package var relative: Double { squaredDifferences == 0 ? 0 : (squaredDifferences / squaredFirst).squareRoot() }
}
