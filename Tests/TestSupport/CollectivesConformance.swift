import Collectives

/// What every implementation of `Collectives` must do, as formulas of rank and world size.
///
/// The loopback tests run it on threads, the scenarios under `mpirun`: the twins are held to the same words.
public struct CollectivesConformance {
  /// The first difference that a rank found.
  public struct Mismatch: Error, CustomStringConvertible {
    /// Operation, rank, element, what was expected and what was found.
    public let description: String
  }

  let collectives: any Collectives
  /// Element counts at which each operation is tried.
  let counts: [Int]

  /// Checks `collectives` at each of `counts`.
  public init(_ collectives: any Collectives, counts: [Int]) {
    self.collectives = collectives
    self.counts = counts
  }

  var rank: Int { collectives.rank }
  var size: Int { collectives.worldSize }

  /// Reductions of all element types.
  ///
  /// Collective: all ranks call this in the same order.
  public func checkAllReduce() throws {
    for count in counts {
      for operation in Reduction.allCases {
        try checkAllReduce(count, operation) { Float($0) }
        try checkAllReduce(count, operation) { Double($0) + 0.5 }
        try checkAllReduce(count, operation) { Int64($0) << 30 }
      }
    }
    try checkNonFinite(Float.self)
    try checkNonFinite(Double.self)
    try checkBitEquality()
  }

  /// Rank r brings (-1)^i (r + 1) (7 i mod 101) to element i: small enough that every order of addition is exact.
  private func checkAllReduce<Element: CollectiveElement>(
    _ count: Int, _ operation: Reduction, _ number: (Int) -> Element
  ) throws {
    func brought(_ rank: Int, _ index: Int) -> Element {
      number((index.isMultiple(of: 2) ? 1 : -1) * (rank + 1) * (7 * index % 101))
    }
    var elements = (0..<count).map { brought(rank, $0) }
    try collectives.allReduce(&elements, operation)
    try expect("allReduce \(operation) of \(count) \(Element.elementKind)", elements) { index in
      let all = (0..<size).map { brought($0, index) }
      switch operation {
      case .sum: return all.reduce(.zero, +)
      case .max: return all.max()!
      case .min: return all.min()!
      }
    }
  }

  /// Not a number wins from whichever rank it comes; infinities follow the rules of arithmetic.
  private func checkNonFinite<Element: CollectiveElement & BinaryFloatingPoint>(_: Element.Type) throws {
    for operation in Reduction.allCases {
      // Element r is not a number on rank r alone; the last two are infinite on the last rank alone.
      var elements = (0..<size).map { $0 == rank ? Element.nan : 1 }
      elements += rank == size - 1 ? [.infinity, -.infinity] : [1, 1]
      try collectives.allReduce(&elements, operation)
      for index in 0..<size where !elements[index].isNaN {
        throw mismatch("allReduce \(operation) of NaN", index, "nan", "\(elements[index])")
      }
      let one: Element = 1
      let high = operation == .min && size > 1 ? one : .infinity
      let low = operation == .max && size > 1 ? one : -.infinity
      try expect("allReduce \(operation) of infinities", Array(elements.suffix(2))) { [high, low][$0] }
    }
  }

  /// Sums that round may round differently in each implementation, but not on each rank.
  private func checkBitEquality() throws {
    for count in counts {
      var elements = (0..<count).map { 1 / Float(3 + rank + $0) }
      try collectives.allReduce(&elements, .sum)
      let bits = elements.withUnsafeBytes { Array($0) }
      let all = try collectives.allGather(bits)
      if let other = all.firstIndex(where: { $0 != all[0] }) {
        throw mismatch("allReduce sum of \(count)", 0, "the bits of rank 0", "others on rank \(other)")
      }
    }
  }

  /// Every rank as root.
  ///
  /// Collective: all ranks call this in the same order.
  public func checkBroadcast() throws {
    for count in counts {
      for root in 0..<size {
        func sent(_ rank: Int, _ index: Int) -> UInt8 { UInt8(truncatingIfNeeded: 31 * rank + 7 * index + 1) }
        var bytes = (0..<count).map { sent(rank, $0) }
        try bytes.withUnsafeMutableBytes { try collectives.broadcast($0, root: root) }
        try expect("broadcast of \(count) from \(root)", bytes) { sent(root, $0) }
      }
    }
  }

  /// Gathers of bytes and floats, even and uneven.
  ///
  /// Collective: all ranks call this in the same order.
  public func checkAllGather() throws {
    for count in counts {
      try checkGatheredBytes { _ in count }
      try checkGatheredBytes { ($0 % 2) * count + $0 }
      try checkGatheredFloats((0..<size).map { evenShard(of: count, rank: $0, worldSize: size).count })
      try checkGatheredFloats((0..<size).map { ($0 + 1) % 2 * count + $0 })
    }
  }

  private func checkGatheredBytes(_ count: (Int) -> Int) throws {
    func brought(_ rank: Int, _ index: Int) -> UInt8 { UInt8(truncatingIfNeeded: 101 * rank + 3 * index) }
    let gathered = try collectives.allGather((0..<count(rank)).map { brought(rank, $0) })
    try expect("allGather of bytes, counts", gathered.map(\.count), count)
    for (source, bytes) in gathered.enumerated() {
      try expect("allGather of bytes of rank \(source)", bytes) { brought(source, $0) }
    }
  }

  private func checkGatheredFloats(_ counts: [Int]) throws {
    let owners = counts.enumerated().flatMap { Array(repeating: $0.offset, count: $0.element) }
    func brought(_ rank: Int, _ index: Int) -> Float { Float(1000 * rank + index % 997) }
    var elements = owners.indices.map { owners[$0] == rank ? brought(rank, $0) : -1 }
    try elements.withUnsafeMutableBufferPointer { try collectives.allGather(into: $0, counts: counts) }
    try expect("allGather of floats, counts \(counts)", elements) { brought(owners[$0], $0) }
  }

  func expect<Value: Equatable>(_ operation: String, _ found: [Value], _ expected: (Int) -> Value) throws {
    for (index, value) in found.enumerated() where value != expected(index) {
      throw mismatch(operation, index, "\(expected(index))", "\(value)")
    }
  }

  func mismatch(_ operation: String, _ element: Int, _ expected: String, _ found: String) -> Mismatch {
    Mismatch(
      description: "\(operation): rank \(rank) of \(size), element \(element): expected \(expected), found \(found)")
  }
}
