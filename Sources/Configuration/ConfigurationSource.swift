import Diagnostics
import Foundation

/// Configuration files and `--set` options merged into one tree in which every value knows its origin.
public struct ConfigurationSource {
  let root: ConfigurationNode
  private let documents: [(name: String, text: String)]
  private let overrides: [String]

  /// Reads files, merges them left to right, then lays `key.path=value` options over them.
  ///
  /// Mappings are merged key by key; any other later value, lists included, replaces the earlier one.
  ///
  /// - Throws: `Failure(.missingInput)` for a file that does not exist, `Failure(.usage)` with `file:line` for one that
  ///   is not a configuration.
  public init(files: [URL], overrides: [String] = []) throws {
    try self.init(documents: try files.map { ($0.relativePath, try Self.text(of: $0)) }, overrides: overrides)
  }

  /// As `init(files:overrides:)`, with texts at hand; each has the name that messages call it by.
  public init(documents: [(name: String, text: String)], overrides: [String] = []) throws {
    var root = Self.emptyMapping
    for (index, document) in documents.enumerated() {
      let name = document.name
      let node = try YAMLDocument.parse(document.text, source: index) { .file(name, line: $0) }
      guard let node, !node.isNull else { continue }
      guard node.mapping != nil else {
        throw Failure(
          .usage, at: node.placement.origin.description, "a configuration must be a mapping of keys to values",
          remedy: "write key: value lines")
      }
      root = root.merging(node)
    }
    for (index, override) in overrides.enumerated() {
      root = root.merging(try Self.tree(of: override, source: documents.count + index))
    }
    (self.root, self.documents, self.overrides) = (root, documents, overrides)
  }

  /// The same with more files after its own, and more options after its own.
  ///
  /// Throws as `init(files:overrides:)`.
  public func adding(files: [URL], overrides more: [String] = []) throws -> ConfigurationSource {
    try ConfigurationSource(
      documents: documents + files.map { ($0.relativePath, try Self.text(of: $0)) }, overrides: overrides + more)
  }

  private static var emptyMapping: ConfigurationNode {
    ConfigurationNode(
      content: .mapping(ConfigurationMapping()), placement: Placement(source: -1, line: 0, origin: .defaultValue))
  }

  private static func text(of file: URL) throws -> String {
    let name = file.relativePath
    var isDirectory: ObjCBool = false
    guard FileManager.default.fileExists(atPath: file.path, isDirectory: &isDirectory), !isDirectory.boolValue else {
      throw Failure(.missingInput, at: name, "there is no such configuration file", remedy: "check the path after -c")
    }
    let data: Data
    do {
      let handle = try FileHandle(forReadingFrom: file)
      defer { try? handle.close() }
      data = try handle.read(upToCount: YAMLDocument.maximumBytes + 1) ?? Data()
    } catch {
      throw Failure(.inputOutput, at: name, "the file cannot be read", remedy: "check its permissions")
    }
    guard data.count <= YAMLDocument.maximumBytes else {
      throw Failure(.usage, at: name, "the configuration is larger than 1 MiB", remedy: "keep only settings in it")
    }
    guard let text = String(validating: data, as: UTF8.self) else {
      throw Failure(.usage, at: name, "the file is not UTF-8 text", remedy: "save it as plain UTF-8 text")
    }
    return text
  }

  /// The nested mapping that `a.b=value` stands for.
  private static func tree(of override: String, source: Int) throws -> ConfigurationNode {
    let parts = override.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
    let keys = parts[0].split(separator: ".", omittingEmptySubsequences: false)
    let areWords = keys.allSatisfy { key in
      !key.isEmpty && key.allSatisfy { $0.isLetter || $0.isNumber || $0 == "_" || $0 == "-" }
    }
    guard parts.count == 2, areWords, keys.count <= YAMLDocument.maximumDepth else {
      throw Failure(
        .usage, at: "--set", "\(override) is not of the form key.path=value",
        remedy: "write for example --set run.seed=1")
    }
    let placement = Placement(source: source, line: 1, origin: .option)
    let value: ConfigurationNode?
    do {
      value = try YAMLDocument.parse(String(parts[1]), source: source) { _ in .option }
    } catch let failure as Failure {
      throw Failure(.usage, at: "--set", "\(override): \(failure.problem)", remedy: failure.remedy)
    }
    let null = ConfigurationNode(content: .scalar(ScalarText(text: "", isQuoted: false)), placement: placement)
    return keys.reversed().reduce(value ?? null) { node, key in
      var mapping = ConfigurationMapping()
      _ = mapping.insert(node, for: String(key))
      return ConfigurationNode(content: .mapping(mapping), placement: placement)
    }
  }
}
