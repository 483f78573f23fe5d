import ShardFiles
import Tensors

/// Identifies the weights that training started from, which a checkpoint does not hold but needs.
package enum BaseFingerprint {
  /// XXH3-128 over the values, names and shapes of all parameters of the model, frozen ones included.
  ///
  /// In order of the names' UTF-8 bytes, for each parameter: length of the name, the name, number of dimensions, the
  /// dimensions (all numbers as 64-bit little-endian), then the values as 32-bit floats. The order given does not matter.
  /// Traps when two parameters have the same name.
  package static func of(_ parameters: [(name: String, values: Tensor)]) -> Hash128 {
    of(parameters.map { ($0.name, $0.values.shape) }) { index, append in append(parameters[index].values) }
  }

  /// The same of parameters that need not be in memory: `values` is asked once for each, by its index, and appends its
  /// elements in pieces.
  ///
  /// Throws what `values` throws.
  package static func of(
    _ parameters: [(name: String, shape: [Int])],
    values: (_ index: Int, _ append: (Tensor) -> Void) throws -> Void
  ) rethrows -> Hash128 {
    let ordered = parameters.indices.sorted {
      parameters[$0].name.utf8.lexicographicallyPrecedes(parameters[$1].name.utf8)
    }
    var stream = HashStream()
    var former: String?
    for index in ordered {
      let (name, shape) = parameters[index]
      precondition(name != former, "two parameters are called \(name)")
      former = name
      stream.append(text: name)
      stream.append(number: shape.count)
      for extent in shape { stream.append(number: extent) }
      try values(index) { stream.append(UnsafeRawBufferPointer($0.buffer)) }
    }
    return stream.hash
  }
}
