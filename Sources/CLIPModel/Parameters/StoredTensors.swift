import Diagnostics
import Files
import Foundation
import Safetensors
import StrictJSON
import TorchArchives

/// Named tensors of floats in files, read when they are asked for; any thread may read.
protocol StoredTensors: Sendable {
  /// The file, or the one that lists the others; what messages name.
  var url: URL { get }
  /// Names of all tensors, sorted.
  var names: [String] { get }
  /// Extents of a tensor; nil when there is none of that name.
  func shape(of name: String) -> [Int]?
  /// How elements are stored; nil when there is no tensor of that name.
  func elementType(of name: String) -> ElementType?
  /// Reads consecutive elements in row-major order, widened to fp32.
  func readElements(_ range: Range<Int>, of name: String, into target: UnsafeMutableBufferPointer<Float>) throws
  /// What tells whether the content has been changed since.
  func versions() throws -> [Descriptor.Version]
  /// Throws `.badData` where the file has checksums that its values do not have.
  func verify() throws
}

extension SafetensorsFile: StoredTensors {
  func versions() throws -> [Descriptor.Version] { [try version()] }
  func verify() {}
}

extension TorchArchive: StoredTensors {
  func versions() throws -> [Descriptor.Version] { [try version()] }
}

/// Safetensors files that an index, `model.safetensors.index.json`, makes one of.
final class ShardedSafetensors: StoredTensors {
  let url: URL
  private let files: [String: SafetensorsFile]
  /// File of each tensor.
  private let owners: [String: String]

  /// Opens all files that the index names, which lie beside it.
  ///
  /// Throws `Failure` where the index is malformed, a file cannot be opened, or it lacks a tensor that it should have.
  init(index: URL) throws {
    url = index
    let json = try JSONSection(contentsOf: index, limit: CLIPConfiguration.largestFile)
    var owners: [String: String] = [:]
    var files: [String: SafetensorsFile] = [:]
    guard let members = json["weight_map"]?.members else {
      throw json.failure("weight_map", "must be an object that gives each tensor its file")
    }
    for member in members {
      guard let name = member.value.string, !name.isEmpty, !name.contains("/"), !name.hasPrefix(".") else {
        throw json.failure("weight_map", "must name files beside it; \(quoted(member.key)) has another value")
      }
      let file =
        try files[name] ?? SafetensorsFile(contentsOf: index.deletingLastPathComponent().appendingPathComponent(name))
      files[name] = file
      guard file.shape(of: member.key) != nil else {
        throw json.failure("weight_map", "says that \(name) has tensor \(quoted(member.key)), which it lacks")
      }
      owners[member.key] = name
    }
    (self.files, self.owners) = (files, owners)
  }

  var names: [String] { owners.keys.sorted() }

  func shape(of name: String) -> [Int]? { file(of: name)?.shape(of: name) }
  func elementType(of name: String) -> ElementType? { file(of: name)?.elementType(of: name) }

  func readElements(_ range: Range<Int>, of name: String, into target: UnsafeMutableBufferPointer<Float>) throws {
    guard let file = file(of: name) else {
      throw Failure(.badData, at: url.path, "there is no tensor \(quoted(name))")
    }
    try file.readElements(range, of: name, into: target)
  }

  func versions() throws -> [Descriptor.Version] {
    try files.sorted { $0.key < $1.key }.map { try $0.value.version() }
  }

  func verify() {}

  private func file(of name: String) -> SafetensorsFile? { owners[name].flatMap { files[$0] } }
}
