import RestrictedPickle
import Safetensors

/// A tensor as the pickle of an archive describes it: a view on a storage, which is a member of the archive.
struct TorchTensor: Equatable, Sendable {
  /// Name of the storage in the archive.
  let storage: String
  let type: ElementType
  /// Elements of the storage.
  let storageCount: Int
  /// Its first element in the storage.
  let start: Int
  /// Extents, outermost first.
  let shape: [Int]
  /// Elements between neighbours in each dimension.
  let strides: [Int]
  /// Elements of the tensor.
  let count: Int

  /// Whether its elements lie in row-major order without gaps.
  var isContiguous: Bool {
    var step = 1
    for (extent, stride) in zip(shape, strides).reversed() where extent != 1 {
      guard stride == step else { return count == 0 }
      step *= extent
    }
    return true
  }

  /// Elements of the storage from its first one to its last.
  var span: Int { count == 0 ? 0 : 1 + zip(shape, strides).reduce(0) { $0 + ($1.0 - 1) * $1.1 } }

  /// Place in the span of each element of a range in row-major order, one after the other.
  func forEachPlace(in range: Range<Int>, _ body: (Int) -> Void) {
    for element in range {
      var (rest, place) = (element, 0)
      for (extent, stride) in zip(shape, strides).reversed() {
        place += rest % extent * stride
        rest /= extent
      }
      body(place)
    }
  }
}

extension TorchTensor {
  /// What PyTorch would have called with the arguments of `_rebuild_tensor_v2`: storage, first element, extents, strides.
  ///
  /// Throws `TorchProblem` where they contradict each other. Elements that overlap are refused: then no tensor has more
  /// elements than its storage.
  init(arguments: [PickleValue]) throws {
    guard arguments.count >= 4, case .persistent(let name) = arguments[0], let parts = name.elements, parts.count == 5,
      parts[0].string == "storage", case .global(let storageClass) = parts[1], let key = parts[2].string,
      let storageCount = parts[4].int, storageCount >= 0, let start = arguments[1].int, start >= 0,
      let shape = Self.sizes(arguments[2]), let strides = Self.sizes(arguments[3]), shape.count == strides.count
    else { throw TorchProblem("a tensor is not described as PyTorch does") }
    guard storageClass.module == "torch", let type = Self.storageClasses[storageClass.name] else {
      throw TorchProblem("a tensor has elements of a type that is not known, \(storageClass)")
    }
    guard let (count, end) = Self.bounds(start, shape, strides), end <= storageCount, count <= storageCount else {
      throw TorchProblem("a tensor of shape \(shape) does not lie within its storage of \(storageCount) elements")
    }
    self.init(
      storage: key, type: type, storageCount: storageCount, start: start, shape: shape, strides: strides, count: count)
  }

  private static let storageClasses: [String: ElementType] = [
    "FloatStorage": .float32, "HalfStorage": .float16, "BFloat16Storage": .bfloat16, "DoubleStorage": .float64,
    "LongStorage": .int64, "IntStorage": .int32, "ShortStorage": .int16, "CharStorage": .int8, "ByteStorage": .uint8,
    "BoolStorage": .bool,
  ]

  private static func sizes(_ value: PickleValue) -> [Int]? {
    guard let elements = value.elements else { return nil }
    let sizes = elements.compactMap(\.int)
    return sizes.count == elements.count && sizes.allSatisfy { $0 >= 0 } ? sizes : nil
  }

  /// Elements of a tensor, and the end of its last one in the storage; nil where they overflow.
  private static func bounds(_ start: Int, _ shape: [Int], _ strides: [Int]) -> (count: Int, end: Int)? {
    if shape.contains(0) { return (0, start) }
    var (count, last) = (1, start)
    for (extent, stride) in zip(shape, strides) {
      let (product, countOverflows) = count.multipliedReportingOverflow(by: extent)
      let (step, stepOverflows) = (extent - 1).multipliedReportingOverflow(by: stride)
      let (sum, sumOverflows) = last.addingReportingOverflow(step)
      guard !countOverflows, !stepOverflows, !sumOverflows, sum < .max else { return nil }
      (count, last) = (product, sum)
    }
    return (count, last + 1)
  }
}

/// Why an archive is refused.
struct TorchProblem: Error {
  let what: String
  var remedy: String?

  init(_ what: String, remedy: String? = nil) {
    self.what = what
    self.remedy = remedy
  }
}
