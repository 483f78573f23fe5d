import Reporting
import RunRecords
import StrictJSON

/// What a run is, in words.
extension RunRecord {
  /// The name of the data set.
  var dataset: String { fact("dataset") ?? setting("data.name") ?? name }

  /// How the model was trained.
  var methodWords: String {
    let method = fact("method") ?? setting("method.kind") ?? "skip-tuning"
    return method.replacing("-", with: " ").replacing("_", with: " ")
  }

  /// Task, images, seed and ranks.
  var description: String {
    let shots = fact("shots") ?? setting("data.shots").flatMap { $0 == "null" ? nil : $0 }
    return [
      fact("task") ?? setting("task"), shots.map { "\($0) images per class" },
      (fact("start_layer") ?? startLayer).map { "from layer \($0) on" },
      (fact("seed") ?? setting("seed")).map { "seed \($0)" },
      fact("ranks").map { $0 == "1" ? "1 rank" : "\($0) ranks" },
    ].compactMap { $0 }.joined(separator: ", ")
  }

  /// That of a run whose results are not there yet.
  private var startLayer: String? { isFinished ? nil : setting("method.start_layer") }

  /// An entry of the results as text; nil where there is none.
  func fact(_ key: String) -> String? { results?[key].flatMap(\.words) }

  /// A number of what training took.
  func cost(_ key: String) -> Double? { results?["training"]?[key]?.plausible }

  /// How many views of images had their features from before; nil where none were looked for.
  func keptViews(_ phase: String) -> String? {
    guard let counts = results?["kept_features"]?[phase],
      let read = counts["read"]?.plausible, let continued = counts["continued"]?.plausible,
      let made = counts["made"]?.plausible, read + continued > 0
    else { return nil }
    return "\(Readable.count(Int(read))) of \(Readable.count(Int(read + continued + made))) views were kept"
      + (continued == 0 ? "" : ", \(Readable.count(Int(continued))) begun at an earlier block")
  }

  /// Numbers by name of what training took, largest first.
  func costs(_ key: String) -> [(name: String, value: Double)] {
    (results?["training"]?[key]?.members ?? []).compactMap { member in member.value.plausible.map { (member.key, $0) } }
      .sorted { ($1.value, $0.name) < ($0.value, $1.name) }
  }
}

extension JSONValue {
  /// A number that whole numbers can be told of.
  fileprivate var plausible: Double? { number.flatMap { abs($0) < 1e15 ? $0 : nil } }

  /// A value as text, null as none.
  fileprivate var words: String? {
    switch self {
    case .null: nil
    case .string(let text): text
    default: JSONText.pretty(self)
    }
  }

  /// Values within it by their path, names joined by dots; null is left out.
  func flattened(_ path: String) -> [(key: String, value: String)] {
    guard let members else { return words.map { [(path, $0)] } ?? [] }
    return members.flatMap { $0.value.flattened(path.isEmpty ? $0.key : "\(path).\($0.key)") }
  }
}
