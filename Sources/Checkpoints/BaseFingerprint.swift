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
    let ordered = parameters.sorted { $0.name.utf8.lexicographicallyPrecedes($1.name.utf8) }
    var stream = HashStream()
    var former: String?
    for (name, values) in ordered {
      precondition(name != former, "two parameters are called \(name)")
      former = name
      stream.append(text: name)
      stream.append(number: values.shape.count)
      for extent in values.shape { stream.append(number: extent) }
      stream.append(UnsafeRawBufferPointer(values.buffer))
    }
    return stream.hash
  }
}
