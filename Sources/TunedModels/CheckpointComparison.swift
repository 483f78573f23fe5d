import Checkpoints
import Diagnostics
import ShardFiles
import Tensors

/// How two checkpoints differ as states of training: not in when, by how many ranks or how small they were written.
package struct CheckpointComparison {
  /// A tensor that both have, with other shapes.
  package struct Reshaped: Equatable, Sendable {
    package let name: String
    package let first: [Int]
    package let second: [Int]
  }

  /// A stored vector, tensor by tensor; nil distances where it cannot be compared.
  package struct Vector {
    package let name: String
    /// For each tensor that both have in one shape.
    package let distances: [(tensor: String, distance: VectorDistance)]
    /// Why it was not compared.
    package let obstacle: String?

    /// Of all its tensors together.
    package var total: VectorDistance {
      distances.reduce(into: VectorDistance()) { $0.add($1.distance) }
    }
  }

  /// Settings, progress and metrics that differ.
  package let facts: [CheckpointFacts.Difference]
  /// Tensors that only one of them trains.
  package let onlyFirst: [String], onlySecond: [String]
  /// Tensors of another shape.
  package let reshaped: [Reshaped]
  /// Vectors of either; none where values were not asked for.
  package let vectors: [Vector]

  /// Whether nothing differs.
  package var isEqual: Bool {
    facts.isEmpty && onlyFirst.isEmpty && onlySecond.isEmpty && reshaped.isEmpty
      && vectors.allSatisfy { $0.obstacle == nil && $0.total.isZero }
  }

  /// Compares two checkpoints, whose shards the caller has verified; memory is that of two frames.
  ///
  /// `base` is needed where a vector is stored as differences. `comparesValues` false leaves the vectors out. Throws
  /// `Failure`: `.usage` where the base is needed and not given, `.badData` where it is another one or a shard is damaged.
  package init(_ first: Checkpoint, _ second: Checkpoint, base: BaseModel?, comparesValues: Bool = true) throws {
    let (mine, theirs) = (first.manifest, second.manifest)
    facts = CheckpointFacts(mine).differences(to: CheckpointFacts(theirs))
    let others = Dictionary(uniqueKeysWithValues: theirs.tensors.map { ($0.name, $0) })
    let names = Set(mine.tensors.map(\.name))
    onlyFirst = mine.tensors.map(\.name).filter { others[$0] == nil }
    onlySecond = theirs.tensors.map(\.name).filter { !names.contains($0) }
    let pairs = mine.tensors.compactMap { tensor in others[tensor.name].map { (tensor, $0) } }
    reshaped = pairs.filter { $0.shape != $1.shape }
      .map { Reshaped(name: $0.name, first: $0.shape, second: $1.shape) }
    let common = pairs.filter { $0.shape == $1.shape }
    let vectorNames = comparesValues ? Set(mine.vectorNames).union(theirs.vectorNames).sorted(by: >) : []
    vectors = try vectorNames.map { try Self.compare($0, common, first, second, base) }
  }

  private static func compare(
    _ name: String, _ tensors: [(TrainedTensor, TrainedTensor)], _ first: Checkpoint, _ second: Checkpoint,
    _ base: BaseModel?
  ) throws -> Vector {
    let checkpoints = [first, second]
    if let lacking = checkpoints.first(where: { !$0.manifest.vectorNames.contains(name) }) {
      return Vector(name: name, distances: [], obstacle: "\(lacking.folder.path) does not hold it")
    }
    let needsBase = checkpoints.contains { $0.manifest.needsBase(name) }
    if needsBase, first.manifest.baseFingerprint != second.manifest.baseFingerprint {
      return Vector(name: name, distances: [], obstacle: "they were tuned from different base weights")
    }
    let opened = try checkpoints.map { try open(name, of: $0, base) }
    let distances = try tensors.map { mine, theirs in
      (mine.name, try VectorDistance(from: opened[0], mine.range, to: opened[1], theirs.range))
    }
    return Vector(name: name, distances: distances, obstacle: nil)
  }

  private static func open(_ name: String, of checkpoint: Checkpoint, _ base: BaseModel?) throws -> CheckpointVector {
    let manifest = checkpoint.manifest
    guard manifest.needsBase(name) else { return try CheckpointVector(name, of: checkpoint) }
    guard let base else {
      throw Failure(
        .usage, at: checkpoint.folder.path, "its \(name) are stored as differences to the base weights",
        remedy: "name the base model with --model, or leave values out with --no-values")
    }
    try base.judge(manifest.baseFingerprint, of: checkpoint.folder.path)
    let places = try TrainedPlaces(manifest.tensors, in: base, at: checkpoint.folder.path)
    return try CheckpointVector(name, of: checkpoint, base: BaseValues(TrainedPart(of: base, places)))
  }
}
