import ArgumentParser
import Checkpoints
import Foundation
import Reporting
import StrictJSON
import TunedModels

extension CheckpointCommand {
  /// `skiptune checkpoint inspect`.
  struct Inspect: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Say what a checkpoint is: progress, settings, tensors, sizes.")
    @Argument(help: CheckpointArgument.help)
    var checkpoint: String
    @Option(
      help: ArgumentHelp(
        "The base model, as model.path names it; shows how far each tensor has moved from it.", valueName: "model"))
    var model: String?
    @OptionGroup var details: ModelDetailOptions
    @Flag(help: "Print one JSON object.")
    var json = false

    func run() throws {
      let found = try CheckpointArgument.find(checkpoint)
      let movement = try model.map { try TunedWeights(found).movement(from: CheckpointArgument.base($0, details)) }
      let report = CheckpointReport(checkpoint: found, movement: movement)
      print(json ? JSONText.pretty(report.json) + "\n" : report.text, terminator: "")
    }
  }
}

/// What `inspect` says of a checkpoint.
private struct CheckpointReport {
  let checkpoint: Checkpoint
  /// Of each tensor from its base; nil where no base was named.
  let movement: [VectorDistance]?

  private var manifest: CheckpointManifest { checkpoint.manifest }
  private var total: VectorDistance? { movement?.reduce(into: VectorDistance()) { $0.add($1) } }
  private var writtenAt: String { Date(timeIntervalSince1970: manifest.writtenAt).formatted(.iso8601) }

  // MARK: For people

  var text: String { [factTable, vectorTable, shardTable, tensorTable].map(\.terminal).joined(separator: "\n") }

  private var factTable: TextTable {
    let facts = CheckpointFacts(manifest)
    var table = TextTable(columns: ["fact", "value"])
    table.append(["checkpoint", checkpoint.folder.path])
    table.append(["written", "\(writtenAt) by \(manifest.worldSize) \(manifest.worldSize == 1 ? "rank" : "ranks")"])
    for fact in facts.progress + facts.state + facts.provenance { table.append([fact.shortName, fact.shortValue]) }
    return table
  }

  private var vectorTable: TextTable {
    var table = TextTable(columns: ["vector", "elements", "in memory", "stored", "ratio", "encoding"])
    for name in manifest.vectorNames {
      let (size, encodings) = manifest.size(ofVector: name)
      table.append([name] + cells(size) + [encodings.map(\.rawValue).joined(separator: ", ")])
    }
    return table
  }

  private var shardTable: TextTable {
    var table = TextTable(columns: ["shard", "elements", "in memory", "stored", "ratio"])
    for rank in manifest.shards.indices {
      table.append([manifest.shardName(rank)] + cells(manifest.size(ofShard: rank)))
    }
    return table
  }

  private func cells(_ size: StoredSize) -> [String?] {
    [
      Readable.count(size.elements), Readable.bytes(size.rawByteCount), Readable.bytes(size.byteCount),
      size.ratio.map { Readable.fixed($0, 2) },
    ]
  }

  private var tensorTable: TextTable {
    var table = TextTable(columns: ["tensor", "shape", "elements"] + (movement == nil ? [] : ["moved", "relative"]))
    for (index, tensor) in manifest.tensors.enumerated() {
      let shape = tensor.shape.map(String.init).joined(separator: " x ")
      table.append([tensor.name, shape, Readable.count(tensor.range.count)] + cells(movement?[index]))
    }
    table.append(["all", nil, Readable.count(manifest.trainedCount)] + cells(total))
    return table
  }

  private func cells(_ distance: VectorDistance?) -> [String?] {
    distance.map { [Readable.significant($0.length, 3), Readable.significant($0.relative, 3)] } ?? []
  }

  // MARK: For programs

  var json: JSONValue {
    .object(
      [
        JSONMember("checkpoint", .string(checkpoint.folder.path)), JSONMember("step", .integer(manifest.step)),
        JSONMember("epoch", .integer(manifest.epoch)), JSONMember("batches_done", .integer(manifest.batchesDone)),
        JSONMember("written_at", .string(writtenAt)), JSONMember("world_size", .integer(manifest.worldSize)),
        JSONMember("base_fingerprint", .string("\(manifest.baseFingerprint)")),
        JSONMember("trained_count", .integer(manifest.trainedCount)),
        JSONMember(
          "metrics",
          .object(manifest.metrics.sorted { $0.key < $1.key }.map { JSONMember($0.key, .finite($0.value)) })),
        JSONMember(
          "state", .object(manifest.state.sorted { $0.key < $1.key }.map { JSONMember($0.key, $0.value) })),
        JSONMember("vectors", .array(manifest.vectorNames.map(vector))),
        JSONMember("shards", .array(manifest.shards.indices.map(shard))),
        JSONMember("tensors", .array(manifest.tensors.indices.map(tensor))),
      ] + members(total))
  }

  private func vector(_ name: String) -> JSONValue {
    let (size, encodings) = manifest.size(ofVector: name)
    return .object(
      [JSONMember("name", .string(name))] + members(size)
        + [JSONMember("encodings", .array(encodings.map { .string($0.rawValue) }))])
  }

  private func shard(_ rank: Int) -> JSONValue {
    .object([JSONMember("file", .string(manifest.shardName(rank)))] + members(manifest.size(ofShard: rank)))
  }

  private func tensor(_ index: Int) -> JSONValue {
    let tensor = manifest.tensors[index]
    return .object(
      [
        JSONMember("name", .string(tensor.name)), JSONMember("shape", .array(tensor.shape.map { .integer($0) })),
        JSONMember("elements", .integer(tensor.range.count)),
      ] + members(movement?[index]))
  }

  private func members(_ size: StoredSize) -> [JSONMember] {
    [
      JSONMember("elements", .integer(size.elements)), JSONMember("raw_bytes", .integer(size.rawByteCount)),
      JSONMember("bytes", .integer(size.byteCount)), JSONMember("ratio", size.ratio.map { .finite($0) } ?? .null),
    ]
  }

  private func members(_ distance: VectorDistance?) -> [JSONMember] {
    distance.map { [JSONMember("moved", .finite($0.length)), JSONMember("relative", .finite($0.relative))] } ?? []
  }
}

extension CheckpointFacts.Fact {
  /// Settings go by their own name.
  fileprivate var shortName: String { CheckpointFacts.shortName(name) }

  /// A value that fits into a line.
  fileprivate var shortValue: String { CheckpointFacts.shortValue(value) }
}

extension CheckpointFacts {
  /// Settings, which lie in the identity of a run, go by their own name.
  static func shortName(_ name: String) -> String { String(name.trimmingPrefix("identity.")) }

  /// A value that fits into a line.
  static func shortValue(_ value: String) -> String { value.count > 72 ? value.prefix(71) + "…" : value }
}

extension JSONValue {
  /// A number, or null for one that is not finite, which JSON cannot say.
  static func finite(_ number: Double) -> JSONValue { number.isFinite ? .number(number) : .null }
}
