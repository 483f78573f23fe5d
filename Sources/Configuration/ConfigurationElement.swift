/// A value whose inside no setting declares: keys that only the file knows.
public struct ConfigurationElement: Sendable {
  /// What it is.
  public enum Content: Sendable {
    case scalar
    case list([ConfigurationElement])
    /// In the order of the file.
    case mapping([(key: String, value: ConfigurationElement)])
  }

  /// What it is.
  public let content: Content
  /// Where its key, or the element of a list, is written.
  public let origin: SettingOrigin
  /// The value in YAML, on one line, as `--set` takes it.
  public let yaml: String
  /// The scalar as a number, if it is one that is finite; in quotes it is text.
  public let number: Double?
  /// The scalar as an integer, if it is one that fits.
  public let integer: Int?
  /// The scalar as text, if it is text.
  public let text: String?
  /// How a message names it.
  public let mention: String
  /// Whether nothing is given.
  public let isEmpty: Bool

  /// Whether it is a value that is neither list nor mapping nor nothing.
  public var isSingle: Bool { if case .scalar = content { !isEmpty } else { false } }

  init(_ node: ConfigurationNode) {
    origin = node.placement.origin
    mention = node.mention
    isEmpty = node.isNull
    guard case .scalar(let scalar) = node.content else {
      (number, integer, text) = (nil, nil, nil)
      (content, yaml) = Self.inside(of: node)
      return
    }
    content = .scalar
    number = scalar.number.flatMap { $0.isFinite ? $0 : nil }
    integer = scalar.kind == .integer ? Int(scalar.text) : nil
    text = scalar.kind == .text ? scalar.text : nil
    yaml = scalar.kind == .null ? "null" : text.map { SettingValue.text($0).yaml } ?? scalar.text
  }

  private static func inside(of node: ConfigurationNode) -> (Content, yaml: String) {
    switch node.content {
    case .scalar: preconditionFailure("a scalar has no inside")
    case .list(let nodes):
      let elements = nodes.map(Self.init)
      return (.list(elements), "[" + elements.map(\.yaml).joined(separator: ", ") + "]")
    case .mapping(let mapping):
      let members = mapping.keys.compactMap { key in mapping[key].map { (key: key, value: Self($0)) } }
      let parts = members.map { "\(SettingValue.text($0.key).yaml): \($0.value.yaml)" }
      return (.mapping(members), "{" + parts.joined(separator: ", ") + "}")
    }
  }
}

extension SettingsReader {
  /// A value that may be left out, and that the caller judges himself: a list or mapping whose keys only the file knows.
  public func element(_ key: String) -> ConfigurationElement? {
    guard let node = undeclared(key), !node.isNull else { return nil }
    return ConfigurationElement(node)
  }
}
