import ShardFiles

/// What something takes in a checkpoint's files, against what its values take in memory.
package struct StoredSize: Equatable, Sendable {
  /// Values.
  package var elements = 0
  /// Bytes of their frames, or of the file.
  package var byteCount = 0

  /// Bytes of the values as 32-bit floats.
  package var rawByteCount: Int { elements * MemoryLayout<Float>.stride }

  /// How many times smaller it is stored; nil where nothing is.
  package var ratio: Double? { byteCount == 0 ? nil : Double(rawByteCount) / Double(byteCount) }
}

extension CheckpointManifest {
  /// What a stored vector takes in all shards, and the encodings of its sections, sorted.
  package func size(ofVector name: String) -> (size: StoredSize, encodings: [ShardEncoding]) {
    let sections = shards.flatMap(\.sections).filter { $0.name == name }
    let size = StoredSize(
      elements: sections.reduce(0) { $0 + $1.count },
      byteCount: sections.flatMap(\.frames).reduce(0) { $0 + $1.byteCount })
    return (size, Set(sections.filter { $0.count > 0 }.map(\.encoding)).sorted { $0.rawValue < $1.rawValue })
  }

  /// What the file that a rank wrote takes.
  package func size(ofShard rank: Int) -> StoredSize {
    StoredSize(elements: shards[rank].sections.reduce(0) { $0 + $1.count }, byteCount: shards[rank].byteCount)
  }

  /// The name of the file that a rank wrote.
  package func shardName(_ rank: Int) -> String { CheckpointName.shard(rank, of: worldSize) }

  /// Whether a reader of a vector needs the values before training.
  package func needsBase(_ vector: String) -> Bool { size(ofVector: vector).encodings.contains(.differencePlanes) }
}
