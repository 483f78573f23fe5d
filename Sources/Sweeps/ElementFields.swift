import Configuration
import Diagnostics

/// The members of a mapping within a sweep file, all of whose keys are known.
struct ElementFields {
  /// `file:line`.
  let place: String
  private let what: String
  private let members: [(key: String, value: ConfigurationElement)]

  /// The members of what messages call `what`.
  ///
  /// Throws `Failure(.usage)` for what is no mapping, and for a key that is not known.
  init(_ element: ConfigurationElement, _ what: String, known: [String]) throws {
    (place, self.what) = (element.origin.description, what)
    guard case .mapping(let members) = element.content else {
      throw Failure(
        .usage, at: place, "\(what) is \(element.mention) but must be a mapping",
        remedy: "write {\(known[0]): ...}, with some of \(known.joined(separator: ", "))")
    }
    self.members = members
    for (key, value) in members where !known.contains(key) {
      throw Failure(
        .usage, at: value.origin.description, "\(what) has no key \(quoted(key))",
        remedy: nearestMatch(to: key, among: known).map { "did you mean \($0)?" }
          ?? "its keys are \(known.joined(separator: ", "))")
    }
  }

  subscript(key: String) -> ConfigurationElement? { members.first { $0.key == key }?.value }

  /// A finite number that may be left out.
  func number(_ key: String) throws -> Double? {
    guard let element = self[key] else { return nil }
    guard let number = element.number, abs(number) < 1e15 else {
      throw mismatch(key, element, "a number below 1e15", "write for example \(key): 0.1")
    }
    return number
  }

  /// An integer that may be left out.
  func integer(_ key: String, in range: ClosedRange<Int>) throws -> Int? {
    guard let element = self[key] else { return nil }
    guard let integer = element.integer, range.contains(integer) else {
      throw mismatch(
        key, element, "an integer from \(range.lowerBound) to \(range.upperBound)", "write for example \(key): 10")
    }
    return integer
  }

  /// One of some words, that may be left out.
  func word(_ key: String, of words: [String]) throws -> String? {
    guard let element = self[key] else { return nil }
    guard let word = element.text, words.contains(word) else {
      throw mismatch(
        key, element, "one of \(words.joined(separator: ", "))",
        nearestMatch(to: element.yaml, among: words).map { "did you mean \($0)?" } ?? "write \(key): \(words[0])")
    }
    return word
  }

  func mismatch(_ key: String, _ element: ConfigurationElement, _ rule: String, _ remedy: String) -> Failure {
    Failure(
      .usage, at: element.origin.description, "\(key) of \(what) is \(element.mention) but must be \(rule)",
      remedy: remedy)
  }
}
