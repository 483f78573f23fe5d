import Diagnostics
import Yams

/// One YAML document, untrusted, turned into a tree that knows its lines.
///
/// Accepted is the plain core of YAML: mappings with text keys, lists, scalars. Tags are refused, aliases are limited,
/// so that a small file cannot stand for a huge tree.
struct YAMLDocument {
  static let maximumBytes = 1 << 20
  static let maximumDepth = 32
  static let maximumAliases = 16
  static let maximumNodes = 100_000

  private let origin: @Sendable (Int) -> SettingOrigin
  private let source: Int
  private var nodeCount = 0

  /// The tree of a document, or nil when it holds nothing but comments.
  ///
  /// - Throws: `Failure(.usage)` with the line.
  static func parse(
    _ text: String, source: Int, origin: @escaping @Sendable (Int) -> SettingOrigin
  ) throws -> ConfigurationNode? {
    var document = YAMLDocument(origin: origin, source: source)
    guard text.utf8.count <= maximumBytes else {
      throw document.failure(line: 1, "the configuration is larger than 1 MiB", remedy: "keep only settings in it")
    }
    try document.checkAliases(text)
    // The parser takes a byte order mark for text when it is told the encoding.
    let body = text.unicodeScalars.first == "\u{FEFF}" ? String(text.unicodeScalars.dropFirst()) : text
    guard let root = try document.compose(body) else { return nil }
    return try document.node(root, line: root.mark?.line ?? 1, depth: 0)
  }

  private init(origin: @escaping @Sendable (Int) -> SettingOrigin, source: Int) {
    self.origin = origin
    self.source = source
  }

  private func failure(line: Int, _ problem: String, remedy: String? = nil) -> Failure {
    Failure(.usage, at: origin(line).description, problem, remedy: remedy)
  }

  private func compose(_ text: String) throws -> Node? {
    do {
      return try Yams.compose(yaml: text, .basic, .default, .utf8)
    } catch let error as YamlError {
      throw syntaxFailure(error, text)
    }
  }

  /// Counts everything that could be an alias before the parser sees the text.
  ///
  /// The parser hashes keys to find duplicates; a chain of aliases inside a key would make that take for ever, so the
  /// count must err on the high side: words in comments and quotes that begin with `*` count too.
  private func checkAliases(_ text: String) throws {
    var count = 0
    var line = 1
    var previous = UInt8(ascii: "\n")
    for byte in text.utf8 {
      if previous == UInt8(ascii: "*"), !Self.endsAlias.contains(byte) { count += 1 }
      if count > Self.maximumAliases {
        throw failure(
          line: line, "more than \(Self.maximumAliases) words begin with *, the sign of a YAML alias",
          remedy: "write the values out")
      }
      if byte == UInt8(ascii: "\n") { line += 1 }
      previous = byte
    }
  }

  private static let endsAlias = Set(" \t\r\n,[]{}*".utf8)

  private func syntaxFailure(_ error: YamlError, _ text: String) -> Failure {
    switch error {
    case .scanner(let context, let problem, let mark, _), .parser(let context, let problem, let mark, _),
      .composer(let context, let problem, let mark, _):
      let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
      if mark.line <= lines.count, lines[mark.line - 1].prefix(while: \.isWhitespace).contains("\t") {
        return failure(line: mark.line, "a tab indents this line", remedy: "YAML allows spaces only; use two")
      }
      let words = context.map { "\($0.text.trimmingSpaces): " } ?? ""
      return failure(
        line: mark.line, "this is not valid YAML: \(words)\(problem)", remedy: "mend the line or its quotes")
    case .reader(let problem, let offset, _, _):
      let line = text.prefix(offset ?? 0).count { $0.isNewline } + 1
      return failure(line: line, "this is not valid YAML: \(problem)", remedy: "save the file as plain UTF-8 text")
    case .duplicatedKeysInMapping(let duplicates, let context):
      return failure(
        line: context.mark.line,
        "the key \(ScalarText(text: duplicates.first ?? "", isQuoted: false).mention) is given twice in one section",
        remedy: "keep one of the two")
    default:
      return failure(line: 1, "this is not valid YAML: \(error)")
    }
  }

  // MARK: Conversion

  private mutating func node(_ node: Node, line: Int, depth: Int) throws -> ConfigurationNode {
    nodeCount += 1
    guard depth <= Self.maximumDepth, nodeCount <= Self.maximumNodes else {
      throw failure(
        line: line,
        "the configuration is nested deeper than \(Self.maximumDepth) levels or its aliases unfold to too much",
        remedy: "write it flatter")
    }
    let content: ConfigurationNode.Content
    switch node {
    case .scalar(let scalar):
      try refuse(tag: scalar.tag, "tag:yaml.org,2002:str", allowed: scalar.style != .plain, line: line)
      content = .scalar(ScalarText(text: scalar.string, isQuoted: scalar.style != .plain))
    case .sequence(let sequence):
      try refuse(tag: sequence.tag, "", allowed: false, line: line)
      content = .list(try sequence.map { try self.node($0, line: $0.mark?.line ?? line, depth: depth + 1) })
    case .mapping(let mapping):
      try refuse(tag: mapping.tag, "", allowed: false, line: line)
      content = .mapping(try self.mapping(mapping, line: line, depth: depth))
    case .alias:
      throw failure(line: line, "an alias could not be resolved", remedy: "write the value out")
    }
    return ConfigurationNode(
      content: content, placement: Placement(source: source, line: line, origin: origin(line)))
  }

  private func refuse(tag: Tag, _ quoted: String, allowed: Bool, line: Int) throws {
    let name = tag.description
    if name.isEmpty || allowed && name == quoted { return }
    throw failure(line: line, "the YAML tag \(name) is not allowed", remedy: "put text in quotes and leave the tag out")
  }

  private mutating func mapping(_ mapping: Node.Mapping, line: Int, depth: Int) throws -> ConfigurationMapping {
    var result = ConfigurationMapping()
    for (key, value) in mapping {
      let keyLine = key.mark?.line ?? line
      guard case .scalar(let name) = key, !name.string.isEmpty else {
        throw failure(line: keyLine, "a key must be a plain word", remedy: "write key: value")
      }
      let node = try self.node(value, line: keyLine, depth: depth + 1)
      guard result.insert(node, for: name.string) else {
        throw failure(
          line: keyLine,
          "the key \(ScalarText(text: name.string, isQuoted: false).mention) is given twice in one section",
          remedy: "keep one of the two")
      }
    }
    return result
  }
}

extension String {
  fileprivate var trimmingSpaces: Substring { self[...].drop(while: \.isWhitespace) }
}
