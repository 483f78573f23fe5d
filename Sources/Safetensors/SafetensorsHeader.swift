import Diagnostics
import Files
import StrictJSON

/// What the header of a safetensors file says, checked against the size of the file.
///
/// Layout: a little-endian 64-bit length n, n bytes of JSON, then the data. The JSON maps each name to
/// `{"dtype", "shape", "data_offsets": [begin, end]}` with offsets from the start of the data, plus an optional
/// `"__metadata__"` of strings. As in the reference implementation the tensors must cover the data without gap or overlap.
/// Names that differ only in Unicode normalisation count as equal.
struct SafetensorsHeader: Sendable {
  struct Entry: Sendable {
    var type: ElementType
    var shape: [Int]
    var count: Int
    /// Bytes of the file.
    var range: Range<Int>
  }

  var entries: [String: Entry] = [:]
  var metadata: [String: String] = [:]

  /// The reference implementation's limit for the JSON, in bytes.
  static let longest = 100_000_000
  static let lengthWidth = 8
  /// `version `, with which every pointer of Git LFS begins, as a length.
  static let pointerStart: UInt64 = 0x206E_6F69_7372_6576
  static let metadataKey = "__metadata__"

  /// Reads and checks the header of `file`.
  init(of file: borrowing Descriptor) throws {
    let path = file.path
    let size = try file.size()
    func bad(_ problem: String) -> Failure {
      Failure(.badData, at: path, problem, remedy: "the file is damaged or not a safetensors file; fetch it again")
    }
    guard size >= Self.lengthWidth else { throw bad("\(size) bytes are too few for a safetensors file") }
    var rawLength: UInt64 = 0
    try withUnsafeMutableBytes(of: &rawLength) { try file.read(into: $0, at: 0) }
    guard UInt64(littleEndian: rawLength) != Self.pointerStart else {
      throw Failure(
        .badData, at: path, "the file is a pointer of Git LFS, in the place of the weights",
        remedy: "run git lfs pull there, or fetch the file itself")
    }
    guard let length = Int(exactly: UInt64(littleEndian: rawLength)), length <= Self.longest else {
      throw bad("the header claims more than \(Self.longest) bytes")
    }
    guard length <= size - Self.lengthWidth else {
      throw bad("the header claims \(length) bytes, but the file has only \(size)")
    }
    var text = [UInt8](repeating: 0, count: length)
    try text.withUnsafeMutableBytes { try file.read(into: $0, at: Self.lengthWidth) }
    guard text.first == UInt8(ascii: "{") else { throw bad("the header does not start with '{'") }
    let dataStart = Self.lengthWidth + length
    do {
      try read(try JSONValue(parsing: text), dataStart: dataStart)
      try checkCoverage(dataStart: dataStart, size: size)
    } catch let problem as JSONProblem {
      throw bad("line \(problem.line), column \(problem.column) of the header: \(problem.problem)")
    } catch let problem as Problem {
      throw bad(problem.text)
    }
  }

  private struct Problem: Error { var text: String }

  private mutating func read(_ json: JSONValue, dataStart: Int) throws {
    for member in json.members ?? [] {
      if member.key == Self.metadataKey {
        metadata = try Self.metadata(member.value)
      } else {
        do {
          entries[member.key] = try Self.entry(member.value, dataStart: dataStart)
        } catch let problem as Problem {
          throw Problem(text: "tensor \(quoted(member.key)): \(problem.text)")
        }
      }
    }
  }

  private static func metadata(_ value: JSONValue) throws -> [String: String] {
    guard let members = value.members else { throw Problem(text: "\(metadataKey) is not an object") }
    return try Dictionary(
      uniqueKeysWithValues: members.map { member in
        guard let string = member.value.string else {
          throw Problem(text: "\(metadataKey) member \(quoted(member.key)) is not a string")
        }
        return (member.key, string)
      })
  }

  private static func entry(_ value: JSONValue, dataStart: Int) throws -> Entry {
    guard let typeName = value["dtype"]?.string else { throw Problem(text: "has no dtype") }
    guard let type = ElementType(rawValue: typeName) else { throw Problem(text: "unknown dtype \(quoted(typeName))") }
    guard let shape = integers(value["shape"]) else { throw Problem(text: "shape is not a list of sizes") }
    guard let offsets = integers(value["data_offsets"]), offsets.count == 2, offsets[0] <= offsets[1] else {
      throw Problem(text: "data_offsets are not a begin and an end")
    }
    // The product of the extents that are not zero: no other product of some of them can then overflow either.
    guard let extent = product(shape.filter { $0 > 0 } + [type.bitWidth]) else {
      throw Problem(text: "shape \(shape) is too large")
    }
    let count = shape.contains(0) ? 0 : extent / type.bitWidth
    let bits = count * type.bitWidth
    guard bits % 8 == 0, bits / 8 == offsets[1] - offsets[0] else {
      let size = offsets[1] - offsets[0]
      throw Problem(text: "\(typeName) of shape \(shape) does not take the \(size) bytes of its data_offsets")
    }
    let (end, overflows) = offsets[1].addingReportingOverflow(dataStart)
    guard !overflows else { throw Problem(text: "data_offsets lie beyond the end of the file") }
    return Entry(type: type, shape: shape, count: count, range: offsets[0] + dataStart..<end)
  }

  private static func integers(_ value: JSONValue?) -> [Int]? {
    guard let elements = value?.elements else { return nil }
    let integers = elements.compactMap(\.integer)
    return integers.count == elements.count && integers.allSatisfy { $0 >= 0 } ? integers : nil
  }

  private static func product(_ factors: [Int]) -> Int? {
    factors.reduce(1) { product, factor in
      product.flatMap {
        let (result, overflows) = $0.multipliedReportingOverflow(by: factor)
        return overflows ? nil : result
      }
    }
  }

  /// Tensors in order of position must follow each other from the end of the header to the end of the file.
  private func checkCoverage(dataStart: Int, size: Int) throws {
    let ordered = entries.sorted {
      ($0.value.range.lowerBound, $0.value.range.upperBound) < ($1.value.range.lowerBound, $1.value.range.upperBound)
    }
    var position = dataStart
    for (name, entry) in ordered {
      guard entry.range.upperBound <= size else {
        throw Problem(
          text: "tensor \(quoted(name)) ends \(entry.range.upperBound - size) bytes beyond the end of the file")
      }
      guard entry.range.lowerBound == position else {
        let relation = entry.range.lowerBound < position ? "overlaps" : "leaves a gap after"
        throw Problem(text: "tensor \(quoted(name)) \(relation) the tensor before it")
      }
      position = entry.range.upperBound
    }
    guard position == size else { throw Problem(text: "\(size - position) bytes at the end belong to no tensor") }
  }
}
