import Diagnostics

/// What one pass of reading has seen; shared by the readers of all sections.
final class ReadingState {
  /// Reading gives up after this many problems.
  static let maximumProblems = 20

  struct Problem {
    /// Nil for what is missing: it has no line and comes last.
    var placement: Placement?
    var failure: Failure
  }

  let root: ConfigurationNode?
  let isDescribing: Bool
  private(set) var settings: [ResolvedSetting] = []
  private(set) var sections: [SectionDescription] = []
  private(set) var problems: [Problem] = []
  private var settingKeys: Set<String> = []
  private var sectionKeys: Set<String> = []
  /// The keys of each section, in order of declaration; the root is "".
  private var children: [String: [String]] = [:]

  /// A nil root is the describing mode: every setting is visited, none has a value.
  init(root: ConfigurationNode?) {
    self.root = root
    isDescribing = root == nil
  }

  func declareSection(_ key: String, _ name: String, in parent: String, _ documentation: String) {
    guard sectionKeys.insert(key).inserted else { return }
    precondition(!settingKeys.contains(key), "\(key) is declared as a setting and as a section")
    sections.append(SectionDescription(key: key, documentation: documentation))
    children[parent, default: []].append(name)
  }

  func declareSetting(_ key: String, _ name: String, in parent: String) {
    precondition(!sectionKeys.contains(key), "\(key) is declared as a setting and as a section")
    precondition(settingKeys.insert(key).inserted, "the setting \(key) is declared twice")
    children[parent, default: []].append(name)
  }

  func record(_ setting: ResolvedSetting) { settings.append(setting) }

  /// Notes a problem; throws when there are so many that going on helps nobody.
  func record(_ failure: Failure, at placement: Placement?) throws {
    problems.append(Problem(placement: placement, failure: failure))
    if problems.count >= Self.maximumProblems, let failure = summary() { throw failure }
  }

  /// The first problem in reading order, with the number of the others; nil when there is none.
  func summary() -> Failure? {
    let first = problems.enumerated().min { left, right in
      switch (left.element.placement, right.element.placement) {
      case (let left?, let right?) where left != right: left < right
      case (.some, nil): true
      case (nil, .some): false
      default: left.offset < right.offset
      }
    }
    guard var failure = first?.element.failure else { return nil }
    if problems.count > 1 {
      failure.remedy = [failure.remedy, "(and \(problems.count - 1) more)"].compactMap { $0 }.joined(separator: " ")
    }
    return failure
  }

  // MARK: Unknown keys

  /// Records a problem for each key of the tree that nobody asked for.
  func checkUnknownKeys() throws {
    if let mapping = root?.mapping { try checkUnknownKeys(of: mapping, in: "") }
  }

  private func checkUnknownKeys(of mapping: ConfigurationMapping, in section: String) throws {
    for name in mapping.keys {
      guard let node = mapping[name] else { continue }
      let key = section.isEmpty ? name : "\(section).\(name)"
      if sectionKeys.contains(key) {
        if let inner = node.mapping { try checkUnknownKeys(of: inner, in: key) }
      } else if !settingKeys.contains(key) {
        try record(unknown(name, key, in: section, node), at: node.placement)
      }
    }
  }

  private func unknown(_ name: String, _ key: String, in section: String, _ node: ConfigurationNode) -> Failure {
    let siblings = children[section] ?? []
    let elsewhere = (settings.map(\.key) + sections.map(\.key)).filter { $0.split(separator: ".").last == name[...] }
    let prefix = section.isEmpty ? "" : section + "."
    let remedy =
      if let near = nearestMatch(to: name, among: siblings) {
        "did you mean \(prefix)\(near)?"
      } else if let other = elsewhere.first {
        "did you mean \(other)?"
      } else {
        "the keys \(section.isEmpty ? "there" : "of \(section)") are \(siblings.joined(separator: ", "))"
      }
    let noun = node.mapping == nil ? "key" : "section"
    return Failure(
      .usage, at: node.placement.origin.description,
      "unknown \(noun) \(ScalarText(text: key, isQuoted: false).mention)", remedy: remedy)
  }
}
