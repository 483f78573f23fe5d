import Files
import Foundation
import StrictJSON
import Tensors

/// Writes safetensors files of fp32 tensors.
///
/// A file appears under its name only when it is complete and on the disk: it is written beside its place under a
/// temporary name, synced and renamed. Nothing is left behind on failure.
public enum SafetensorsWriter {
  /// Name and extents of a tensor still to be produced.
  public struct Declaration: Sendable, Equatable {
    /// Unique in the file.
    public var name: String
    /// Extent of each dimension, outermost first.
    public var shape: [Int]

    /// A tensor of the given name and shape.
    public init(name: String, shape: [Int]) {
      self.name = name
      self.shape = shape
    }
  }

  /// Writes tensors in the given order, without copying them.
  ///
  /// Throws `.cannotCreate` when the file cannot be created or renamed, `.inputOutput` when writing fails. Traps when two
  /// tensors have the same name or one is called `__metadata__`.
  public static func write(
    _ tensors: [(name: String, tensor: Tensor)], metadata: [String: String] = [:], to url: URL
  ) throws {
    let declarations = tensors.map { Declaration(name: $0.name, shape: $0.tensor.shape) }
    try write(declarations, metadata: metadata, to: url) { tensors[$0].tensor }
  }

  /// Writes tensors that are produced one at a time: `tensor` is asked once for each index, in order, for as many
  /// elements as declared.
  ///
  /// Throws what `tensor` throws, and otherwise as `write(_:metadata:to:)`.
  public static func write(
    _ declarations: [Declaration], metadata: [String: String] = [:], to url: URL, tensor: (Int) throws -> Tensor
  ) throws {
    try AtomicFile.replace(url) { file in try write(declarations, metadata, to: file, tensor: tensor) }
  }

  private static func write(
    _ declarations: [Declaration], _ metadata: [String: String], to file: borrowing Descriptor,
    tensor: (Int) throws -> Tensor
  ) throws {
    let header = header(declarations, metadata)
    try withUnsafeBytes(of: UInt64(header.count).littleEndian) { try file.write($0) }
    try header.withUnsafeBytes { try file.write($0) }
    for (index, declaration) in declarations.enumerated() {
      let tensor = try tensor(index)
      precondition(
        tensor.count == declaration.shape.reduce(1, *),
        "tensor \(declaration.name) has \(tensor.count) elements, declared was \(declaration.shape)")
      try write(tensor, to: file)
    }
  }

  private static func write(_ tensor: Tensor, to file: borrowing Descriptor) throws {
    guard 1.littleEndian == 1 else {
      return try tensor.array.map { $0.bitPattern.littleEndian }.withUnsafeBytes { try file.write($0) }
    }
    try file.write(UnsafeRawBufferPointer(tensor.buffer))
  }

  /// The JSON, padded with spaces so that the data starts at a multiple of 8 bytes.
  static func header(_ declarations: [Declaration], _ metadata: [String: String]) -> [UInt8] {
    precondition(
      Set(declarations.map(\.name)).count == declarations.count, "two tensors of one file have the same name")
    precondition(!declarations.contains { $0.name == SafetensorsHeader.metadataKey }, "a tensor is called __metadata__")
    var members: [String] = []
    if !metadata.isEmpty {
      let strings = metadata.sorted { $0.key < $1.key }
        .map { "\(JSONText.quoted($0.key)):\(JSONText.quoted($0.value))" }
      members.append("\"\(SafetensorsHeader.metadataKey)\":{\(strings.joined(separator: ","))}")
    }
    var position = 0
    for declaration in declarations {
      let end = position + declaration.shape.reduce(1, *) * MemoryLayout<Float>.stride
      let shape = declaration.shape.map(String.init).joined(separator: ",")
      members.append(
        "\(JSONText.quoted(declaration.name)):"
          + "{\"dtype\":\"F32\",\"shape\":[\(shape)],\"data_offsets\":[\(position),\(end)]}"
      )
      position = end
    }
    var header = Array("{\(members.joined(separator: ","))}".utf8)
    header.append(contentsOf: repeatElement(UInt8(ascii: " "), count: (8 - header.count % 8) % 8))
    return header
  }
}
