import Diagnostics

/// Reads one section of the configuration, setting by setting.
///
/// The code that reads is also the declaration: each call names a key, its default, its rule and its documentation, and
/// the reference table, the JSON Schema and `config.resolved.yaml` are made from the calls.
///
/// A wrong value does not stop the reading. The problem is noted, a value that obeys the rule is returned in its place,
/// and `finish()` throws the first of all problems; so what is built from the values must not be used before
/// `finish()`. Each method throws only when so many problems have been found that reading gives up.
///
/// Declaring a setting twice, a default that breaks its own rule, or a key that is not a word of lower-case letters,
/// digits and underscores traps.
public final class SettingsReader {
  let state: ReadingState
  /// Dotted path of the section; empty for the root.
  public let path: String
  private let mapping: ConfigurationMapping?

  /// The reader of the whole tree.
  public convenience init(_ source: ConfigurationSource) {
    self.init(state: ReadingState(root: source.root), path: "", mapping: source.root.mapping)
  }

  /// A reader that gives every setting its default or a placeholder, to list them all.
  static func describing() -> SettingsReader {
    SettingsReader(state: ReadingState(root: nil), path: "", mapping: nil)
  }

  private init(state: ReadingState, path: String, mapping: ConfigurationMapping?) {
    self.state = state
    self.path = path
    self.mapping = mapping
  }

  /// Whether the settings are only being listed: read the keys of every alternative then, not of the chosen one alone.
  public var isDescribing: Bool { state.isDescribing }

  /// Reads a nested section; an absent section is read as an empty one.
  public func section<T>(_ key: String, _ documentation: String, _ body: (SettingsReader) throws -> T) throws -> T {
    let fullKey = checkedPath(key)
    state.declareSection(fullKey, key, in: path, documentation)
    let node = mapping?[key]
    if let node, node.mapping == nil, !node.isNull {
      try state.record(
        Failure(
          .usage, at: node.placement.origin.description,
          "\(fullKey) is \(node.mention) but must be a section: \(documentation.withoutFullStop)",
          remedy: "write \(fullKey): on a line of its own and its keys indented below"),
        at: node.placement)
    }
    return try body(SettingsReader(state: state, path: fullKey, mapping: node?.mapping))
  }

  /// A nested section that was read before, for rules that join settings of several sections.
  public func reopened(_ key: String) -> SettingsReader {
    SettingsReader(state: state, path: checkedPath(key), mapping: mapping?[key]?.mapping)
  }

  /// Whether the configuration mentions the key with a value, whatever that is.
  public func isGiven(_ key: String) -> Bool { mapping?[key].map { !$0.isNull } ?? false }

  /// The keys of this section, as the configuration has them.
  public var givenKeys: [String] { mapping?.keys ?? [] }

  /// Notes a problem unless `condition` holds: a rule that joins several settings.
  ///
  /// Not checked while settings are only listed, nor after an earlier problem, when values may be placeholders.
  ///
  /// - Parameters:
  ///   - key: the setting of this section to blame.
  ///   - problem: goes on from the full key: "cannot be combined with batch.global".
  public func require(
    _ condition: @autoclosure () -> Bool, about key: String, _ problem: @autoclosure () -> String,
    remedy: @autoclosure () -> String? = nil
  ) throws {
    guard !isDescribing, state.problems.isEmpty, !condition() else { return }
    try state.record(failure(about: key, problem(), remedy: remedy()), at: mapping?[key]?.placement)
  }

  /// An error about a setting of this section, placed where its value comes from.
  public func failure(about key: String, _ problem: String, remedy: String? = nil) -> Failure {
    let node = mapping?[key]
    let value = node.map { " = \($0.mention)" } ?? ""
    return Failure(
      .usage, at: node?.placement.origin.description, "\(checkedPath(key))\(value) \(problem)", remedy: remedy)
  }

  /// Ends the reading of the whole tree.
  ///
  /// - Throws: the first problem in the order of files, lines and options, then what is missing; unknown keys are
  ///   problems.
  public func finish() throws -> ResolvedConfiguration {
    try state.checkUnknownKeys()
    if let failure = state.summary() { throw failure }
    return ResolvedConfiguration(settings: state.settings, sections: state.sections)
  }

  /// Declares a key without a rule, and returns what is there.
  func undeclared(_ key: String) -> ConfigurationNode? {
    state.declareSetting(checkedPath(key), key, in: path)
    return mapping?[key]
  }

  // MARK: The one way to read a setting

  /// Declares a setting and returns its value; `placeholder` when there is none to return.
  func read<Value>(
    _ key: String, _ declaration: Declaration<Value>, _ documentation: String
  ) throws -> Value {
    let fullKey = checkedPath(key)
    state.declareSetting(fullKey, key, in: path)
    var description = declaration.description
    description.key = fullKey
    description.documentation = documentation
    let node = mapping?[key]
    guard let node, !(node.isNull && description.isOptional) else {
      if node == nil, description.isRequired, !isDescribing {
        try state.record(missing(description), at: nil)
      }
      let origin = node?.placement.origin ?? .defaultValue
      record(description, declaration.encode(declaration.fallback), origin, node?.replaced ?? [])
      return declaration.fallback
    }
    do {
      let value = try declaration.decode(node)
      record(description, declaration.encode(value), node.placement.origin, node.replaced)
      return value
    } catch let mismatch as Mismatch {
      try state.record(mismatch.failure(for: description, node), at: mismatch.placement ?? node.placement)
      return declaration.fallback
    }
  }

  private func record(
    _ description: SettingDescription, _ value: SettingValue, _ origin: SettingOrigin, _ replaced: [SettingOrigin]
  ) {
    state.record(ResolvedSetting(description: description, value: value, origin: origin, replaced: replaced))
  }

  private func missing(_ setting: SettingDescription) -> Failure {
    Failure(
      .usage, "\(setting.key) is not set: \(setting.documentation.withoutFullStop)",
      remedy: "give it in a configuration file or, for example, as --set \(setting.key)=\(setting.example.yaml)")
  }

  private func checkedPath(_ key: String) -> String {
    let isWord = key.utf8.allSatisfy { (0x61...0x7A).contains($0) || (0x30...0x39).contains($0) || $0 == 0x5F }
    precondition(isWord && key.utf8.first.map { $0 >= 0x61 } ?? false, "\(key) is not a word of lower-case letters")
    return path.isEmpty ? key : "\(path).\(key)"
  }
}

extension String {
  /// A sentence to be continued.
  fileprivate var withoutFullStop: Substring { hasSuffix(".") ? dropLast() : self[...] }
}
