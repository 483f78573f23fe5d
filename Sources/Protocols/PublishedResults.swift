import Diagnostics
import Files
import Foundation
import StrictJSON

/// Results that somebody published, and what must be the same for a difference to them to mean something.
struct PublishedResults: Sendable {
  /// Where they were published.
  let source: String
  private let json: JSONValue
  private let kind: ProtocolKind

  /// Reads the part of one protocol.
  ///
  /// Throws `Failure`: `.missingInput` where there is no file, `.badData` where it is of another form.
  init(contentsOf url: URL, _ kind: ProtocolKind) throws {
    let bytes = try SmallFile.bytes(
      of: url, limit: 1 << 20, what: "the file of published results",
      remedy: "correct protocol.published, or leave it out")
    json = try JSONValue(parsing: bytes, file: url.path)
    guard let source = json["source"]?.string, json["protocols"]?.members != nil else {
      throw Failure(
        .badData, at: url.path, "has no \"source\" or no \"protocols\"",
        remedy: "compare it with configs/protocols/published/skip-tuning.json")
    }
    self.source = source
    self.kind = kind
  }

  /// The value of a measure in a row; nil where none was published.
  func value(_ row: String, _ measure: String) -> Double? {
    json["protocols"]?[kind.rawValue]?["results"]?[row]?[measure]?.number
  }

  /// Whether a result is of what was published, as far as can be told: the model's size and fingerprint, the data set's
  /// prompt, classes and test images, as far as the file has them, and the settings that it names for a training on the data
  /// set `trainedOn`.
  func covers(_ result: StoredResult, trainedOn: String, settings: [String: String]) -> Bool {
    guard json["model"]?["parameters"]?.integer.map({ result.entry("parameters") == "\($0)" }) ?? true,
      json["model"]?["weights"]?.string.map({ result.entry("weights") == $0 }) ?? true,
      let known = json["data_sets"]?[result.dataset],
      known["template"]?.string.map({ result.entry("template") == $0 }) ?? true,
      known["classes"]?.integer.map({ result.entry("classes") == "\($0)" }) ?? true,
      known["test"]?.integer.map({ result.tuned.values.reduce(0) { $0 + $1.images } == $0 }) ?? true
    else { return false }
    let part = json["protocols"]?[kind.rawValue]
    var wanted: [String: JSONValue] = [:]
    for group in [json["settings"], part?["settings"], part?["settings_of"]?[trainedOn]] {
      for member in group?.members ?? [] { wanted[member.key] = member.value }
    }
    return wanted.allSatisfy { Self.isEqual($0.value, settings[$0.key]) }
  }

  private static func isEqual(_ wanted: JSONValue, _ found: String?) -> Bool {
    if let number = wanted.number { return found.flatMap { Double($0) } == number }
    return wanted.string == found
  }
}
