import Diagnostics

/// Every setting that was read, in order of declaration, with its value and origin.
public struct ResolvedConfiguration: Sendable {
  /// In order of declaration.
  public let settings: [ResolvedSetting]
  /// In order of declaration.
  public let sections: [SectionDescription]

  /// Reads the whole configuration: `body` reads every setting, then unknown keys are refused.
  ///
  /// - Throws: the first problem of all, in the order of files, lines and options; what `body` throws itself when
  ///   nothing else is wrong.
  public static func read<T>(
    _ source: ConfigurationSource, _ body: (SettingsReader) throws -> T
  ) throws -> (value: T, resolved: ResolvedConfiguration) {
    let reader = SettingsReader(source)
    let value: T
    do {
      value = try body(reader)
    } catch {
      // What went wrong first explains the rest: placeholders stand where values were refused.
      throw reader.state.summary() ?? error
    }
    return (value, try reader.finish())
  }

  /// Lists every setting without any configuration: defaults, and placeholders where a value is required.
  public static func describe<T>(_ body: (SettingsReader) throws -> T) throws -> ConfigurationReference {
    let reader = SettingsReader.describing()
    _ = try body(reader)
    return ConfigurationReference(settings: reader.state.settings.map(\.description), sections: reader.state.sections)
  }

  /// The settings and sections without values.
  public var reference: ConfigurationReference {
    ConfigurationReference(settings: settings.map(\.description), sections: sections)
  }

  /// The text of `config.resolved.yaml`: reads back to the same settings; each line says where its value came from.
  public func yaml() -> String {
    var text = "# Every setting of this run, with its origin. Made by skiptune; give it to -c to repeat the run.\n"
    append(section: "", indentation: "", to: &text)
    return text
  }

  private func append(section: String, indentation: String, to text: inout String) {
    for setting in settings where parent(of: setting.key) == section {
      let origin = setting.origin.description.map { $0.isPrintable ? String($0) : "?" }.joined()
      text += "\(indentation)\(lastWord(of: setting.key)): \(setting.value.yaml)  # \(origin)\n"
    }
    for inner in sections where parent(of: inner.key) == section {
      text += "\(indentation)\(lastWord(of: inner.key)):\n"
      append(section: inner.key, indentation: indentation + "  ", to: &text)
    }
  }

  /// What a setting, or each setting of a section, is, means, may be, and where its value comes from.
  ///
  /// - Throws: `Failure(.usage)` for a key that does not exist, with the nearest one.
  public func explain(_ key: String) throws -> String { try reference.explain(key, in: self) }
}

/// Every setting and section of a configuration, without values: the data of the reference table and the JSON Schema.
public struct ConfigurationReference: Equatable, Sendable {
  /// In order of declaration.
  public let settings: [SettingDescription]
  /// In order of declaration.
  public let sections: [SectionDescription]
}

extension ConfigurationReference {
  /// What a setting, or each setting of a section, means and may be; its value and where that comes from in `resolved`;
  /// and where `page` says that there is more to read.
  ///
  /// - Throws: `Failure(.usage)` for a key that does not exist, with the nearest one.
  public func explain(
    _ key: String, in resolved: ResolvedConfiguration? = nil, page: (String) -> String? = { _ in nil }
  ) throws -> String {
    func words(_ setting: SettingDescription) -> String {
      let value = resolved?.settings.first { $0.key == setting.key }
      return explain(setting, value) + (page(setting.key).map { "\n  more: \($0)" } ?? "")
    }
    if let setting = settings.first(where: { $0.key == key }) { return words(setting) }
    if let section = sections.first(where: { $0.key == key }) {
      let inner = settings.filter { $0.key.hasPrefix(key + ".") }
      return (["\(key): \(section.documentation)"] + inner.map(words)).joined(separator: "\n\n")
    }
    throw Failure(.usage, "there is no setting \(key)", remedy: near(key).map { "did you mean \($0)?" })
  }

  /// The key that is meant: one that is spelt alike, or one whose last word is.
  private func near(_ key: String) -> String? {
    let keys = settings.map(\.key) + sections.map(\.key)
    if let near = nearestMatch(to: key, among: keys) { return near }
    let word = nearestMatch(to: lastWord(of: key), among: keys.map(lastWord))
    return keys.first { lastWord(of: $0) == word }
  }

  private func explain(_ setting: SettingDescription, _ value: ResolvedSetting?) -> String {
    let defaultWords =
      switch setting.defaultValue {
      case nil: "none, it must be given"
      case .null?: "none, it may be left out"
      case let value?: value.yaml
      }
    let meaning = "  \(setting.documentation)\n  allowed: \(setting.rule)\n  default: \(defaultWords)"
    guard let value else { return "\(setting.key)\n\(meaning)" }
    guard value.origin != .defaultValue || !setting.isRequired else {
      return "\(setting.key) is not set\n\(meaning)\n  set: nowhere"
    }
    let origin = value.origin == .defaultValue ? "by default" : "in \(value.origin)"
    let replaced =
      value.replaced.isEmpty ? "" : ", replacing \(value.replaced.map(\.description).joined(separator: ", "))"
    return "\(setting.key) = \(value.value.yaml)\n\(meaning)\n  set: \(origin)\(replaced)"
  }
}

/// `a.b` of `a.b.c`; empty for a key of the root.
func parent(of key: String) -> String { key.split(separator: ".").dropLast().joined(separator: ".") }

/// `c` of `a.b.c`.
func lastWord(of key: String) -> String { key.split(separator: ".").last.map(String.init) ?? key }
