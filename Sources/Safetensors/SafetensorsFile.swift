import Diagnostics
import Files
import Foundation
import Tensors

/// A safetensors file open for reading: the header is in memory, tensors are read when asked for.
///
/// The file is not mapped but read at positions, so a file that is cut short or replaced while it is open ends in a
/// `Failure`, never in a signal. Any thread may read.
public final class SafetensorsFile: Sendable {
  /// The file that was opened.
  public let url: URL
  private let file: Descriptor
  private let header: SafetensorsHeader

  /// Opens a file and checks its header completely.
  ///
  /// Throws `.missingInput` when it does not exist, `.badData` when it is not a valid safetensors file, `.inputOutput`
  /// when it cannot be opened or reading fails.
  public init(contentsOf url: URL) throws {
    self.url = url
    file = try Descriptor.reading(url.path)
    header = try SafetensorsHeader(of: file)
  }

  /// Names of all tensors, sorted.
  public var names: [String] { header.entries.keys.sorted() }

  /// Names of all tensors, as they follow each other in the file.
  public var namesByPosition: [String] {
    header.entries.sorted { ($0.value.range.lowerBound, $0.key) < ($1.value.range.lowerBound, $1.key) }.map(\.key)
  }

  /// The free-form strings of the header.
  public var metadata: [String: String] { header.metadata }

  /// Extent of each dimension of a tensor, or nil when there is none of that name.
  public func shape(of name: String) -> [Int]? { header.entries[name]?.shape }

  /// How a tensor's elements are stored, or nil when there is none of that name.
  public func elementType(of name: String) -> ElementType? { header.entries[name]?.type }

  /// A tensor of F32, F16, BF16 or F64 elements, widened (F64: rounded) to fp32, in new memory.
  ///
  /// Throws `.badData` when there is no tensor of that name or it holds no floats, `.inputOutput` when reading fails.
  public func tensor(_ name: String) throws -> Tensor {
    let entry = try entry(name)
    try judgeFloats(name, entry)
    let result = Tensor(uninitialized: entry.shape)
    try file.readFloats(entry.type, at: entry.range.lowerBound, into: result.buffer)
    return result
  }

  /// Reads consecutive elements of a tensor, counted in row-major order, to memory for as many; widened as by `tensor`.
  ///
  /// Throws as `tensor`. Traps where the tensor has no such elements.
  package func readElements(_ range: Range<Int>, of name: String, into target: UnsafeMutableBufferPointer<Float>) throws
  {
    let entry = try entry(name)
    precondition(range.lowerBound >= 0 && range.upperBound <= entry.count && target.count == range.count)
    try judgeFloats(name, entry)
    let offset = entry.range.lowerBound + range.lowerBound * (entry.type.bitWidth / 8)
    try file.readFloats(entry.type, at: offset, into: target)
  }

  /// What tells whether the file's content has been changed since; throws `.inputOutput`.
  package func version() throws -> Descriptor.Version { try file.version() }

  /// A tensor of integers or truth values (false is 0, true is 1), in row-major order.
  ///
  /// Throws `.badData` when there is no tensor of that name, it holds no integers, or a U64 element exceeds `Int.max`;
  /// `.inputOutput` when reading fails.
  public func integers(_ name: String) throws -> [Int] {
    let entry = try entry(name)
    switch entry.type {
    case .bool: return try integers(entry, as: UInt8.self).map { $0 == 0 ? 0 : 1 }
    case .uint8: return try integers(entry, as: UInt8.self)
    case .int8: return try integers(entry, as: Int8.self)
    case .int16: return try integers(entry, as: Int16.self)
    case .uint16: return try integers(entry, as: UInt16.self)
    case .int32: return try integers(entry, as: Int32.self)
    case .uint32: return try integers(entry, as: UInt32.self)
    case .int64: return try integers(entry, as: Int64.self)
    case .uint64:
      let values = try integers(entry, as: Int64.self)
      guard values.allSatisfy({ $0 >= 0 }) else {
        throw Failure(.badData, at: url.path, "tensor \(quoted(name)) holds an integer above \(Int.max)")
      }
      return values
    default: throw wrongType(name, entry, wanted: "integers")
    }
  }

  private func entry(_ name: String) throws -> SafetensorsHeader.Entry {
    if let entry = header.entries[name] { return entry }
    let suggestion = header.entries.count <= 2_000 ? nearestMatch(to: name, among: names) : nil
    throw Failure(
      .badData, at: url.path, "there is no tensor \(quoted(name))",
      remedy: suggestion.map { "the nearest name is \(quoted($0))" })
  }

  private func integers<Stored: FixedWidthInteger>(
    _ entry: SafetensorsHeader.Entry, as type: Stored.Type
  ) throws -> [Int] {
    try Array(unsafeUninitializedCapacity: entry.count) { buffer, count in
      let target = UnsafeMutableBufferPointer(rebasing: buffer[..<entry.count])
      try file.convert(at: entry.range.lowerBound, to: target) { (stored: Stored) in Int(stored) }
      count = entry.count
    }
  }

  private func judgeFloats(_ name: String, _ entry: SafetensorsHeader.Entry) throws {
    guard entry.type.isReadableAsFloat else {
      throw wrongType(name, entry, wanted: "floats (F32, F16, BF16 or F64)")
    }
  }

  private func wrongType(_ name: String, _ entry: SafetensorsHeader.Entry, wanted: String) -> Failure {
    Failure(
      .badData, at: url.path, "tensor \(quoted(name)) holds \(entry.type.rawValue) elements where \(wanted) are needed")
  }
}
