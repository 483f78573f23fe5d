/// Where the value of a setting comes from.
public enum SettingOrigin: Equatable, Sendable, CustomStringConvertible {
  /// A line (from 1) of a configuration file.
  case file(String, line: Int)
  /// A `--set key.path=value` option.
  case option
  /// The declaration of the setting.
  case defaultValue

  /// `file:line`, `--set` or `default`.
  public var description: String {
    switch self {
    case .file(let name, let line): "\(name):\(line)"
    case .option: "--set"
    case .defaultValue: "default"
    }
  }
}

/// An origin together with its rank in reading order, so that problems can be reported in the order a user meets them.
struct Placement: Comparable {
  /// Index of the file or option: files first, then options, as given.
  var source: Int
  var line: Int
  var origin: SettingOrigin

  static func < (left: Self, right: Self) -> Bool { (left.source, left.line) < (right.source, right.line) }
}

/// A value of the merged configuration tree.
struct ConfigurationNode {
  enum Content {
    case scalar(ScalarText)
    case list([ConfigurationNode])
    case mapping(ConfigurationMapping)
  }

  var content: Content
  /// Of the key, or of the element for members of a list.
  var placement: Placement
  /// Origins of earlier values that this one replaced, oldest first.
  var replaced: [SettingOrigin] = []

  var mapping: ConfigurationMapping? {
    if case .mapping(let mapping) = content { mapping } else { nil }
  }

  var isNull: Bool {
    if case .scalar(let scalar) = content { scalar.kind == .null } else { false }
  }

  /// This node with `later` laid over it: mappings are merged key by key, anything else is replaced.
  ///
  /// A null over a mapping leaves the mapping: a section whose lines are all commented out says nothing.
  func merging(_ later: Self) -> Self {
    if mapping != nil, later.isNull { return self }
    guard let mapping, let laterMapping = later.mapping else {
      var node = later
      node.replaced = replaced + [placement.origin]
      return node
    }
    var node = self
    node.content = .mapping(mapping.merging(laterMapping))
    return node
  }
}

/// A mapping that keeps the order of its keys.
struct ConfigurationMapping {
  private(set) var keys: [String] = []
  private var nodes: [String: ConfigurationNode] = [:]

  subscript(key: String) -> ConfigurationNode? { nodes[key] }

  /// Adds a key; false when the mapping has it already.
  mutating func insert(_ node: ConfigurationNode, for key: String) -> Bool {
    guard nodes.updateValue(node, forKey: key) == nil else { return false }
    keys.append(key)
    return true
  }

  func merging(_ later: Self) -> Self {
    var merged = self
    for key in later.keys {
      guard let node = later[key] else { continue }
      if let earlier = merged.nodes[key] {
        merged.nodes[key] = earlier.merging(node)
      } else {
        _ = merged.insert(node, for: key)
      }
    }
    return merged
  }
}
