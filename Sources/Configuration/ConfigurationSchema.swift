import Foundation

extension ConfigurationReference {
  /// A JSON Schema (draft 2020-12) of a configuration file, for editors that complete and check while one types.
  ///
  /// Nothing is `required`: a file may hold a part of the settings, since several files are merged.
  public func jsonSchema() throws -> String {
    var root = schema(ofSection: "")
    root.schema = "https://json-schema.org/draft/2020-12/schema"
    root.title = "skiptune configuration"
    root.type = ["object"]
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    return String(decoding: try encoder.encode(root), as: UTF8.self) + "\n"
  }

  private func schema(ofSection section: String) -> SchemaNode {
    var node = SchemaNode()
    node.type = ["object", "null"]
    node.additionalProperties = false
    var properties: [String: SchemaNode] = [:]
    for setting in settings where parent(of: setting.key) == section {
      properties[lastWord(of: setting.key)] = schema(of: setting)
    }
    for inner in sections where parent(of: inner.key) == section {
      properties[lastWord(of: inner.key)] = schema(ofSection: inner.key)
      properties[lastWord(of: inner.key)]?.description = inner.documentation
    }
    node.properties = properties
    return node
  }

  private func schema(of setting: SettingDescription) -> SchemaNode {
    var node = SchemaNode(setting.type, setting.bounds, count: setting.count)
    node.description = setting.documentation + (setting.isRequired ? " (required)" : "")
    node.default = setting.defaultValue
    if setting.isOptional {
      node.type?.append("null")
      node.allowed?.append(.null)
    }
    return node
  }
}

/// The part of JSON Schema that settings need.
private struct SchemaNode: Encodable {
  var schema: String?
  var title: String?
  var description: String?
  var type: [String]?
  var allowed: [SettingValue]?
  var `default`: SettingValue?
  var minimum: Double?
  var exclusiveMinimum: Double?
  var maximum: Double?
  var exclusiveMaximum: Double?
  var minItems: Int?
  var maxItems: Int?
  private var element: [SchemaNode] = []
  var properties: [String: SchemaNode]?
  var additionalProperties: Bool?

  init() {}

  init(_ settingType: SettingType, _ bounds: Bounds<Double>, count: Bounds<Int>) {
    switch settingType {
    case .integer: type = ["integer"]
    case .number: type = ["number"]
    case .boolean: type = ["boolean"]
    case .text, .path: type = ["string"]
    case .choice(let words):
      // A bare 16 or true in the file is a number or a boolean to an editor; the reader takes any spelling.
      allowed = words.flatMap { word in
        Int(word).map { [.text(word), .integer($0)] } ?? [.text(word)]
      }
    case .list(let inner):
      type = ["array"]
      element = [SchemaNode(inner, bounds, count: .any)]
      minItems = count.lower.map { count.includesLower ? $0 : $0 + 1 }
      maxItems = count.upper.map { count.includesUpper ? $0 : $0 - 1 }
      return
    }
    if bounds.includesLower { minimum = bounds.lower } else { exclusiveMinimum = bounds.lower }
    if bounds.includesUpper { maximum = bounds.upper } else { exclusiveMaximum = bounds.upper }
  }

  private enum CodingKeys: String, CodingKey {
    case schema = "$schema"
    case title, description, type
    case allowed = "enum"
    case `default`, minimum, exclusiveMinimum, maximum, exclusiveMaximum, minItems, maxItems, items, properties
    case additionalProperties
  }

  func encode(to encoder: Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    try container.encodeIfPresent(schema, forKey: .schema)
    try container.encodeIfPresent(title, forKey: .title)
    try container.encodeIfPresent(description, forKey: .description)
    if let type, type.count == 1 {
      try container.encode(type[0], forKey: .type)
    } else {
      try container.encodeIfPresent(type, forKey: .type)
    }
    try container.encodeIfPresent(allowed, forKey: .allowed)
    try container.encodeIfPresent(`default`, forKey: .default)
    try container.encodeIfPresent(minimum, forKey: .minimum)
    try container.encodeIfPresent(exclusiveMinimum, forKey: .exclusiveMinimum)
    try container.encodeIfPresent(maximum, forKey: .maximum)
    try container.encodeIfPresent(exclusiveMaximum, forKey: .exclusiveMaximum)
    try container.encodeIfPresent(minItems, forKey: .minItems)
    try container.encodeIfPresent(maxItems, forKey: .maxItems)
    try container.encodeIfPresent(element.first, forKey: .items)
    try container.encodeIfPresent(properties, forKey: .properties)
    try container.encodeIfPresent(additionalProperties, forKey: .additionalProperties)
  }
}

extension SettingValue: Encodable {
  /// As the JSON value of the same kind.
  public func encode(to encoder: Encoder) throws {
    var container = encoder.singleValueContainer()
    switch self {
    case .integer(let value): try container.encode(value)
    case .number(let value): try container.encode(value)
    case .boolean(let value): try container.encode(value)
    case .text(let value): try container.encode(value)
    case .list(let values): try container.encode(values)
    case .null: try container.encodeNil()
    }
  }
}
