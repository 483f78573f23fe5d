import Configuration
import Diagnostics

/// A comparison that the settings of every trial must satisfy; combinations that do not are left out.
struct SweepConstraint: Sendable {
  private enum Comparison: String, CaseIterable {
    // Longer signs first: `<=` begins with `<`.
    case atMost = "<="
    case atLeast = ">="
    case equal = "=="
    case different = "!="
    case below = "<"
    case above = ">"
  }

  private enum Operand: Equatable {
    case setting(String)
    case value(String)
  }

  /// As it is written.
  let text: String
  let place: String
  private let left, right: Operand
  private let comparison: Comparison

  /// Reads `optim.image_lr <= optim.text_lr`: settings of `keys`, or values.
  ///
  /// Throws `Failure(.usage)` with file and line.
  init(_ element: ConfigurationElement, keys: Set<String>) throws {
    let place = element.origin.description
    guard let text = element.text else {
      throw Failure(
        .usage, at: place, "a constraint is \(element.mention) but must be a comparison",
        remedy: "write for example optim.image_lr <= optim.text_lr")
    }
    let found = text.indices.lazy.compactMap { index in
      Comparison.allCases.first { text[index...].hasPrefix($0.rawValue) }.map { (index, $0) }
    }.first
    guard let (index, comparison) = found else {
      throw Failure(
        .usage, at: place, "the constraint \(quoted(text)) compares nothing",
        remedy: "write one of <=, >=, <, >, ==, != between two settings, or a setting and a value")
    }
    self.text = text
    self.place = place
    self.comparison = comparison
    left = try Self.operand(text[..<index], of: text, place, keys)
    right = try Self.operand(text[index...].dropFirst(comparison.rawValue.count), of: text, place, keys)
    guard self.settings.count > 0 else {
      throw Failure(
        .usage, at: place, "the constraint \(quoted(text)) names no setting", remedy: "name one by its whole key")
    }
  }

  /// Settings that it compares.
  var settings: [String] {
    [left, right].compactMap { operand in
      if case .setting(let key) = operand { key } else { nil }
    }
  }

  private static func operand(
    _ part: Substring, of text: String, _ place: String, _ keys: Set<String>
  ) throws -> Operand {
    let word = String(part.drop { $0 == " " }.reversed().drop { $0 == " " }.reversed())
    guard !word.isEmpty, !word.contains(where: { "<>=!".contains($0) }) else {
      throw Failure(
        .usage, at: place, "the constraint \(quoted(text)) is no comparison of two things",
        remedy: "write for example optim.image_lr <= optim.text_lr, and one comparison for each line")
    }
    if keys.contains(word) { return .setting(word) }
    guard Double(word) == nil, word.contains("."), !word.contains("/") else { return .value(word) }
    throw Failure(
      .usage, at: place, "the constraint names an unknown setting \(quoted(word))",
      remedy: nearestMatch(to: word, among: keys).map { "did you mean \($0)?" } ?? "skiptune config lists all settings")
  }

  /// Whether it holds where settings have the values, in YAML, that `value` gives.
  ///
  /// Throws `Failure(.usage)` where the order of two values is asked of which one is no number.
  func holds(_ value: (String) throws -> String) throws -> Bool {
    func text(_ operand: Operand) throws -> String {
      switch operand {
      case .setting(let key): try value(key)
      case .value(let text): text
      }
    }
    let (left, right) = (try text(left), try text(right))
    if let first = Double(left), let second = Double(right) { return holds(first, second) }
    switch comparison {
    case .equal: return left == right
    case .different: return left != right
    default:
      throw Failure(
        .usage, at: place, "the constraint \(quoted(self.text)) asks which of \(left) and \(right) is larger",
        remedy: "compare numbers, or use == and !=")
    }
  }

  private func holds(_ left: Double, _ right: Double) -> Bool {
    switch comparison {
    case .atMost: left <= right
    case .atLeast: left >= right
    case .equal: left == right
    case .different: left != right
    case .below: left < right
    case .above: left > right
    }
  }
}
