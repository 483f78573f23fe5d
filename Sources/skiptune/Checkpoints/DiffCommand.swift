import ArgumentParser
import Checkpoints
import Diagnostics
import Reporting
import StrictJSON
import TunedModels

extension CheckpointCommand {
  /// `skiptune checkpoint diff`.
  struct Diff: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Compare two checkpoints: settings, tensors, and how far their values are apart.",
      discussion: """
        When, by how many ranks and how small they were written does not count. Relative distances are \
        |B - A| / |A| in Euclidean length. Ends with status 0 where nothing differs, and with 65 and a line on standard \
        error where something does.
        """)
    @Argument(help: CheckpointArgument.help)
    var a: String
    @Argument(help: "The same of the other.")
    var b: String
    @Option(
      help: ArgumentHelp(
        "The base model, as model.path names it; needed where parameters are stored as differences to it.",
        valueName: "model"))
    var model: String?
    @OptionGroup var details: ModelDetailOptions
    @Flag(help: "Compare settings and shapes only; the base model is not needed then.")
    var noValues = false
    @Flag(help: "Print one JSON object.")
    var json = false

    func run() throws {
      let checkpoints = try [a, b].map { try CheckpointArgument.find($0) }
      let base = try noValues ? nil : model.map { try CheckpointArgument.base($0, details) }
      let comparison = try CheckpointComparison(
        checkpoints[0], checkpoints[1], base: base, comparesValues: !noValues)
      let report = ComparisonReport(checkpoints, comparison)
      print(json ? JSONText.pretty(report.json) + "\n" : report.text, terminator: "")
      guard comparison.isEqual else {
        throw Failure(
          .badData, at: checkpoints[1].folder.path, "differs from \(checkpoints[0].folder.path): \(report.summary)")
      }
    }
  }
}

/// What `diff` says of two checkpoints.
private struct ComparisonReport {
  private let checkpoints: [Checkpoint]
  private let comparison: CheckpointComparison

  init(_ checkpoints: [Checkpoint], _ comparison: CheckpointComparison) {
    self.checkpoints = checkpoints
    self.comparison = comparison
  }

  /// What differs, counted.
  var summary: String {
    let vectors = comparison.vectors.map { vector in
      let count = vector.distances.count { !$0.distance.isZero }
      return (count, "\(count) of \(vector.distances.count) tensors of \(vector.name)")
    }
    let tensors = comparison.onlyFirst.count + comparison.onlySecond.count + comparison.reshaped.count
    let counts =
      [
        (comparison.facts.count, "\(comparison.facts.count) facts"), (tensors, "\(tensors) tensors are not in both"),
      ] + vectors + comparison.vectors.map { ($0.obstacle == nil ? 0 : 1, "\($0.name) were not compared") }
    return counts.filter { $0.0 > 0 }.map(\.1).joined(separator: ", ")
  }

  // MARK: For people

  var text: String {
    var parts = ["A  \(checkpoints[0].folder.path)\nB  \(checkpoints[1].folder.path)\n"]
    if !comparison.facts.isEmpty { parts.append(factTable.terminal) }
    let notes = self.notes
    if !notes.isEmpty { parts.append(notes.map { "\($0)\n" }.joined()) }
    if !tensorTable.rows.isEmpty { parts.append(tensorTable.terminal) }
    if comparison.isEqual { parts.append("equal\n") }
    return parts.joined(separator: "\n")
  }

  private var factTable: TextTable {
    var table = TextTable(columns: ["fact", "A", "B"])
    for fact in comparison.facts {
      table.append([
        CheckpointFacts.shortName(fact.name), fact.first.map(CheckpointFacts.shortValue),
        fact.second.map(CheckpointFacts.shortValue),
      ])
    }
    return table
  }

  private var notes: [String] {
    comparison.onlyFirst.map { "only A trains \($0)" } + comparison.onlySecond.map { "only B trains \($0)" }
      + comparison.reshaped.map { "\($0.name) has shape \($0.first) in A and \($0.second) in B" }
      + comparison.vectors.compactMap { vector in vector.obstacle.map { "\(vector.name) were not compared: \($0)" } }
  }

  /// Tensors that differ, and all of a vector together.
  private var tensorTable: TextTable {
    var table = TextTable(columns: ["vector", "tensor", "elements", "differing", "greatest", "relative"])
    for vector in comparison.vectors where vector.obstacle == nil {
      let rows = vector.distances.filter { !$0.distance.isZero } + [("all", vector.total)]
      for (name, distance) in rows {
        table.append([
          vector.name, name, Readable.count(distance.count), Readable.count(distance.differing),
          Readable.significant(distance.greatest, 3), Readable.significant(distance.relative, 3),
        ])
      }
    }
    return table
  }

  // MARK: For programs

  var json: JSONValue {
    .object([
      JSONMember("a", .string(checkpoints[0].folder.path)), JSONMember("b", .string(checkpoints[1].folder.path)),
      JSONMember("equal", .bool(comparison.isEqual)),
      JSONMember("facts", .array(comparison.facts.map(fact))),
      JSONMember("only_a", .array(comparison.onlyFirst.map { .string($0) })),
      JSONMember("only_b", .array(comparison.onlySecond.map { .string($0) })),
      JSONMember("reshaped", .array(comparison.reshaped.map { .string($0.name) })),
      JSONMember("vectors", .array(comparison.vectors.map(vector))),
    ])
  }

  private func fact(_ fact: CheckpointFacts.Difference) -> JSONValue {
    .object([
      JSONMember("name", .string(fact.name)), JSONMember("a", fact.first.map { .string($0) } ?? .null),
      JSONMember("b", fact.second.map { .string($0) } ?? .null),
    ])
  }

  private func vector(_ vector: CheckpointComparison.Vector) -> JSONValue {
    let tensors = vector.distances.map {
      JSONValue.object([JSONMember("name", .string($0.tensor))] + members($0.distance))
    }
    return .object(
      [JSONMember("name", .string(vector.name)), JSONMember("obstacle", vector.obstacle.map { .string($0) } ?? .null)]
        + members(vector.total) + [JSONMember("tensors", .array(tensors))])
  }

  private func members(_ distance: VectorDistance) -> [JSONMember] {
    [
      JSONMember("elements", .integer(distance.count)), JSONMember("differing", .integer(distance.differing)),
      JSONMember("greatest", .finite(distance.greatest)), JSONMember("relative", .finite(distance.relative)),
    ]
  }
}
