import Configuration
import Diagnostics
import StrictJSON

/// What must be the same for a run to go on from a checkpoint: the settings that decide what is computed, and what they
/// come to with the data and the model that are there.
struct RunIdentity: Sendable {
  /// One thing that must be the same.
  struct Fact: Sendable, Equatable {
    /// A setting, or words for anything else.
    var key: String
    var value: String
    /// Whether a checkpoint that does not know of it is as good as one that has the same: a setting that has its default,
    /// as an older program had no other behaviour.
    var mayBeUnknown = false
  }

  let facts: [Fact]

  /// Settings, or beginnings of their names, that may change from one start to the next: where things are, how much is
  /// tested, saved and said, and, as with the number of ranks, what changes the order of sums alone.
  private static let free =
    ["run_dir", "model.path", "model.tokenizer", "data.root"]
    + ["limits.", "evaluate.", "output.", "checkpoint.", "protocol."]
    + ["compute.recompute"] + ["memory_mb", "folder", "cache"].map { "features." + $0 }
    + ["mode", "bucket_mb", "first_bucket_mb", "overlap", "two_level", "class_parallel_text", "on_nonfinite"].map {
      "exchange." + $0
    }

  /// The settings, and what else must be the same.
  init(_ resolved: ResolvedConfiguration, _ others: [Fact]) {
    facts =
      resolved.settings
      .filter { setting in !Self.free.contains { setting.key.hasPrefix($0) } }
      .map { Fact(key: $0.key, value: $0.value.yaml, mayBeUnknown: $0.value == $0.description.defaultValue) } + others
  }

  /// As stored in a checkpoint.
  var json: JSONValue { .object(facts.map { JSONMember($0.key, .string($0.value)) }) }

  /// All facts in which a stored identity differs.
  func differences(from stored: JSONValue?) -> [RunDifference] {
    facts.compactMap { fact in
      let former = stored?[fact.key]?.string
      if former == fact.value || former == nil && fact.mayBeUnknown { return nil }
      return RunDifference(key: fact.key, former: former, current: fact.value)
    }
  }
}

/// Something in which a run differs from the one that a checkpoint was saved by.
struct RunDifference: Equatable, Sendable, CustomStringConvertible {
  let key: String
  /// nil where the checkpoint does not say.
  let former: String?
  let current: String

  /// Both values; of long ones what follows their common beginning.
  var description: String {
    guard let former else { return "\(key) was not known and is now \(Self.excerpt(current, from: 0))" }
    let common = zip(former, current).prefix { $0 == $1 }.count
    return "\(key) was \(Self.excerpt(former, from: common)) and is now \(Self.excerpt(current, from: common))"
  }

  private static let longest = 60

  private static func excerpt(_ value: String, from start: Int) -> String {
    guard value.count > longest else { return value }
    let rest = value.dropFirst(max(0, start - 10))
    return (start > 10 ? "..." : "") + rest.prefix(longest) + (rest.count > longest ? "..." : "")
  }
}

extension [RunDifference] {
  /// How many a message names.
  private static var named: Int { 3 }

  /// The refusal of a checkpoint at `place`: the first differences, and how many there are.
  func refusal(at place: String) -> Failure {
    let (what, them) = count == 1 ? ("", self[0].key) : (" (\(count) differences)", "them")
    let more = count > Self.named ? ", and \(count - Self.named) more" : ""
    return Failure(
      .usage, at: place,
      "the checkpoint is of another run\(what): \(prefix(Self.named).map(\.description).joined(separator: ", "))\(more)",
      remedy: "set \(them) as before, go on all the same with --accept-differences, or start afresh with --resume never"
    )
  }

  /// Whether tests from before would count other images or classes.
  var concernTests: Bool {
    contains { $0.key.hasPrefix("data.") || $0.key == "task" || RunFacts.ofTests.contains($0.key) }
  }
}
