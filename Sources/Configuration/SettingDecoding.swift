import Diagnostics
import Foundation

/// How a setting is read: its description and the conversions between the tree, Swift and the resolved value.
struct Declaration<Value> {
  /// `key` and `documentation` are filled in by the reader.
  var description: SettingDescription
  /// Returned when no value is given or the one given is wrong.
  var fallback: Value
  var decode: (ConfigurationNode) throws -> Value
  var encode: (Value) -> SettingValue

  /// The declaration of a value with or without a default; the type is that of `rules`.
  init(_ rules: ValueRules<Value>, default value: Value?) {
    if let value {
      precondition(rules.complaint(value) == nil, "the default \(value) breaks its own rule: \(rules.words)")
    }
    description = rules.description(defaultValue: value.map(rules.encode))
    fallback = value ?? rules.example
    decode = rules.decode
    encode = rules.encode
  }

  /// The declaration of an optional value.
  init<Wrapped>(optional rules: ValueRules<Wrapped>) where Value == Wrapped? {
    description = rules.description(defaultValue: .null)
    fallback = nil
    decode = rules.decode
    encode = { $0.map(rules.encode) ?? .null }
  }
}

/// The type of a setting's value and the rule it obeys.
struct ValueRules<Value> {
  var type: SettingType
  /// `an integer from 1 to 12`.
  var words: String
  var bounds: Bounds<Double> = .any
  var count: Bounds<Int> = .any
  /// Obeys the rule; shown in messages and used as placeholder.
  var example: Value
  /// Converts without checking the rule.
  var convert: (ConfigurationNode) throws -> Value
  var encode: (Value) -> SettingValue
  /// Nil when the value obeys the rule.
  var complaint: (Value) -> Mismatch? = { _ in nil }

  func decode(_ node: ConfigurationNode) throws -> Value {
    let value = try convert(node)
    if let complaint = complaint(value) { throw complaint }
    return value
  }

  func description(defaultValue: SettingValue?) -> SettingDescription {
    SettingDescription(
      key: "", type: type, defaultValue: defaultValue, documentation: "", rule: words, example: encode(example),
      bounds: bounds, count: count)
  }
}

/// A value that is not what its setting wants.
struct Mismatch: Error {
  /// Added to the rule, in parentheses.
  var note: String?
  /// Instead of the usual way out.
  var remedy: String?
  /// The element at fault, when it is one of a list.
  var mention: String?
  var placement: Placement?

  func failure(for setting: SettingDescription, _ node: ConfigurationNode) -> Failure {
    let noun = node.placement.origin == .option ? "option" : "line"
    let change =
      switch setting.defaultValue {
      case .null?: "change the \(noun), or leave it out"
      case let value?: "change the \(noun), or leave it out for the default \(value.yaml)"
      case nil: "change the \(noun), for example to \(setting.example.yaml)"
      }
    let found = mention.map { "has the element \($0)" } ?? "is \(node.mention)"
    return Failure(
      .usage, at: (placement ?? node.placement).origin.description,
      "\(setting.key) \(found) but must be \(setting.rule)\(note.map { " (\($0))" } ?? "")", remedy: remedy ?? change)
  }
}

extension ConfigurationNode {
  /// How a message names the value.
  var mention: String {
    switch content {
    case .scalar(let scalar): scalar.mention
    case .list(let elements): elements.isEmpty ? "an empty list" : "a list"
    case .mapping: "a section"
    }
  }

  /// The scalar of a node that must be one.
  func scalar() throws -> ScalarText {
    guard case .scalar(let scalar) = content else { throw Mismatch() }
    return scalar
  }
}

extension ValueRules {
  static func integer(in bounds: Bounds<Int>) -> ValueRules<Int> {
    ValueRules<Int>(
      type: .integer, words: bounds.words(after: "an integer"),
      bounds: Bounds(
        lower: bounds.lower.map(Double.init), includesLower: bounds.includesLower,
        upper: bounds.upper.map(Double.init), includesUpper: bounds.includesUpper),
      example: bounds.lower.map { bounds.includesLower ? $0 : $0 + 1 }
        ?? bounds.upper.map { min(0, bounds.includesUpper ? $0 : $0 - 1) } ?? 1,
      convert: { node in
        let scalar = try node.scalar()
        if scalar.kind == .integer, let value = Int(scalar.text) { return value }
        if scalar.isQuoted, Int(scalar.text) != nil { throw Mismatch(remedy: "take the quotes off") }
        throw Mismatch()
      },
      encode: { .integer($0) }, complaint: { bounds.contains($0) ? nil : Mismatch() })
  }

  static func number(in bounds: Bounds<Double>) -> ValueRules<Double> {
    ValueRules<Double>(
      type: .number, words: bounds.words(after: "a number"), bounds: bounds, example: bounds.example,
      convert: { node in
        let scalar = try node.scalar()
        guard let value = scalar.number else {
          if scalar.isQuoted, Double(scalar.text) != nil { throw Mismatch(remedy: "take the quotes off") }
          throw Mismatch()
        }
        guard value.isFinite else { throw Mismatch(note: "and finite") }
        return value
      },
      encode: { .number($0) }, complaint: { bounds.contains($0) ? nil : Mismatch() })
  }

  static var boolean: ValueRules<Bool> {
    ValueRules<Bool>(
      type: .boolean, words: "true or false", example: true,
      convert: { node in
        let scalar = try node.scalar()
        if scalar.kind == .boolean { return scalar.text == "true" }
        switch scalar.text.lowercased() {
        case "yes", "on", "true", "y", "1":
          throw Mismatch(note: "other spellings are not booleans", remedy: "write true")
        case "no", "off", "false", "n", "0":
          throw Mismatch(note: "other spellings are not booleans", remedy: "write false")
        default: throw Mismatch()
        }
      },
      encode: { .boolean($0) })
  }

  static func text(example: String) -> ValueRules<String> {
    ValueRules<String>(
      type: .text, words: "text", example: example,
      convert: { node in
        let scalar = try node.scalar()
        if scalar.kind == .text { return scalar.text }
        if scalar.kind == .null { throw Mismatch() }
        let kind = scalar.kind == .boolean ? "a boolean" : "a number"
        throw Mismatch(note: "unquoted it is \(kind)", remedy: "write \"\(scalar.text)\" with the quotes")
      },
      encode: { .text($0) })
  }

  /// Relative paths start at the current directory, `~` is the home folder.
  static var path: ValueRules<URL> {
    let text = text(example: "/data")
    return ValueRules<URL>(
      type: .path, words: "a path", example: URL(fileURLWithPath: "/data"),
      convert: { node in
        let path = try text.decode(node)
        if path.isEmpty || path.utf8.contains(0) { throw Mismatch() }
        return absolute(path)
      },
      encode: { .text($0.path) })
  }

  /// As `path`; a text that `isName` finds to be a name stays as it is, unless there is something at that path.
  static func pathOrName(where isName: @escaping @Sendable (String) -> Bool) -> ValueRules<String> {
    let path = path
    let text = text(example: "/data")
    return ValueRules<String>(
      type: .path, words: "a path or a name", example: "/data",
      convert: { node in
        let url = try path.decode(node)
        let text = try text.decode(node)
        return isName(text) && !FileManager.default.fileExists(atPath: url.path) ? text : url.path
      },
      encode: { .text($0) })
  }

  /// The file or folder that a path of the configuration names.
  static func absolute(_ path: String) -> URL {
    URL(fileURLWithPath: NSString(string: path).expandingTildeInPath).standardizedFileURL
  }

  /// The type's cases by raw value; any spelling will do, so that a case may be called 16 or null.
  static func choice() -> ValueRules<Value> where Value: CaseIterable & RawRepresentable<String> {
    let words = Value.allCases.map(\.rawValue)
    guard let first = Value.allCases.first else { preconditionFailure("a choice without cases") }
    return ValueRules<Value>(
      type: .choice(words), words: "one of " + words.joined(separator: ", "), example: first,
      convert: { node in
        let word = try node.scalar().text
        if let value = Value(rawValue: word) { return value }
        throw Mismatch(remedy: nearestMatch(to: word, among: words).map { "did you mean \($0)?" })
      },
      encode: { .text($0.rawValue) })
  }

  static func list<Element>(
    of element: ValueRules<Element>, count: Bounds<Int>, _ nounAndRule: String
  ) -> ValueRules<[Element]> {
    ValueRules<[Element]>(
      type: .list(element.type), words: "\(count.listWords) \(nounAndRule)", bounds: element.bounds, count: count,
      example: Array(repeating: element.example, count: max(1, count.lower ?? 1)),
      convert: { node in
        guard case .list(let nodes) = node.content else {
          throw Mismatch(remedy: "write it in brackets, separated by commas")
        }
        return try nodes.map { node in
          do {
            return try element.decode(node)
          } catch var mismatch as Mismatch {
            mismatch.mention = node.mention
            mismatch.placement = node.placement
            throw mismatch
          }
        }
      },
      encode: { .list($0.map(element.encode)) },
      complaint: { elements in
        if !count.contains(elements.count) { return Mismatch(note: "it has \(elements.count)") }
        return elements.lazy.compactMap(element.complaint).first
      })
  }
}

extension Bounds<Double> {
  /// A number within the bounds.
  fileprivate var example: Double {
    switch (lower, upper) {
    case (let lower?, let upper?): includesLower ? lower : includesUpper ? upper : (lower + upper) / 2
    case (let lower?, nil): includesLower ? lower : lower + 1
    case (nil, let upper?): includesUpper ? upper : upper - 1
    case (nil, nil): 1
    }
  }
}
