import Configuration
import Diagnostics
import StrictJSON

/// What must be the same for a run to go on from a checkpoint: every setting that decides what is computed.
struct RunIdentity {
  private let facts: [(key: String, value: String)]

  /// Settings that may change from one start to the next: where things are, how much is tested, saved and said.
  private static let free = ["run_dir", "model.path", "data.root", "limits.", "evaluate.", "output.", "checkpoint."]

  /// The facts of a run: its settings, and the classes it trains.
  init(_ resolved: ResolvedConfiguration, classNames: [String]) {
    facts =
      resolved.settings
      .filter { setting in !Self.free.contains { setting.key.hasPrefix($0) } }
      .map { ($0.key, $0.value.yaml) } + [("the classes", classNames.joined(separator: ", "))]
  }

  /// As stored in a checkpoint.
  var json: JSONValue { .object(facts.map { JSONMember($0.key, .string($0.value)) }) }

  /// Throws `Failure(.usage)` that names the first fact in which a stored identity differs.
  func check(_ stored: JSONValue?, at place: String) throws {
    for (key, value) in facts where stored?[key]?.string != value {
      let former = stored?[key]?.string ?? "unknown"
      throw Failure(
        .usage, at: place, "the checkpoint is of another run: \(key) was \(former), and is now \(value)",
        remedy: "set \(key) as it was, or start afresh with --resume never")
    }
  }
}
