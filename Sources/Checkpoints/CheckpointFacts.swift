import StrictJSON

/// Named facts about a training state as text, in order: what people compare two checkpoints by.
package struct CheckpointFacts: Equatable, Sendable {
  /// A name and its value.
  package struct Fact: Equatable, Sendable {
    package let name: String
    package let value: String
  }

  /// A fact in which two checkpoints differ; nil where one lacks it.
  package struct Difference: Equatable, Sendable {
    package let name: String
    package let first: String?
    package let second: String?
  }

  /// How far training had come, and its metrics.
  package let progress: [Fact]
  /// Everything else that is stored of the run; members of objects by their path.
  package let state: [Fact]
  /// Which program wrote it where; no property of the training state, and so never compared.
  package let provenance: [Fact]

  /// Members of the state that are left out: the settings as text, with paths and origins, are in the identity too.
  private static let unnamed = ["configuration"]

  /// The facts of a checkpoint.
  ///
  /// When and by how many ranks it was written is no property of the training state.
  package init(_ manifest: CheckpointManifest) {
    progress =
      [
        Fact(name: "step", value: "\(manifest.step)"), Fact(name: "epoch", value: "\(manifest.epoch)"),
        Fact(name: "batches_done", value: "\(manifest.batchesDone)"),
        Fact(name: "base_fingerprint", value: "\(manifest.baseFingerprint)"),
      ] + manifest.metrics.sorted { $0.key < $1.key }.map { Fact(name: $0.key, value: "\($0.value)") }
    let members = manifest.state.sorted { $0.key < $1.key }.filter { !Self.unnamed.contains($0.key) }
    state = members.filter { $0.key != "provenance" }.flatMap { Self.flattened($1, $0) }
    provenance = members.filter { $0.key == "provenance" }.flatMap { Self.flattened($1, $0) }
  }

  /// What differs from these facts to others: first ours in their order, then what only the others have.
  package func differences(to others: CheckpointFacts) -> [Difference] {
    let (mine, theirs) = (progress + state, others.progress + others.state)
    let values = Dictionary(theirs.map { ($0.name, $0.value) }) { first, _ in first }
    let names = Set(mine.map(\.name))
    return mine.compactMap { fact in
      let other = values[fact.name]
      return other == fact.value ? nil : Difference(name: fact.name, first: fact.value, second: other)
    }
      + theirs.filter { !names.contains($0.name) }.map { Difference(name: $0.name, first: nil, second: $0.value) }
  }

  /// An object's members by their path, also where the object is stored as text; anything else is one fact.
  private static func flattened(_ value: JSONValue, _ path: String) -> [Fact] {
    switch value {
    case .object(let members) where !members.isEmpty:
      return members.flatMap { flattened($0.value, "\(path).\($0.key)") }
    case .string(let text):
      // Encoders write members in any order: two texts of one object are no difference.
      if text.hasPrefix("{"), let object = try? JSONValue(parsing: Array(text.utf8)) { return flattened(object, path) }
      return [Fact(name: path, value: text)]
    default: return [Fact(name: path, value: ManifestText.text(value))]
    }
  }
}
