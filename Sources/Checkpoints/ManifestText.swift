import Diagnostics
import ShardFiles
import StrictJSON

/// The bytes of a manifest: a JSON object whose last member is the hash of the text before it.
enum ManifestText {
  /// Size of a manifest that is read at most.
  static let largest = 16 << 20
  private static let hashKey = "  \"manifest_hash\": \""
  private static let end = "\"\n}\n"

  static func bytes(_ manifest: CheckpointManifest) -> [UInt8] {
    var text = "{\n"
    for member in manifest.members { text += "  \(JSONText.quoted(member.key)): \(lines(member.value, 2)),\n" }
    let body = Array(text.utf8)
    let hash = body.withUnsafeBytes { Hash128(of: $0) }
    return body + Array("\(hashKey)\(hash)\(end)".utf8)
  }

  /// The manifest that `bytes` hold, checked; `place` is the file's name for messages.
  static func manifest(_ bytes: [UInt8], at place: String) throws -> CheckpointManifest {
    try checkHash(bytes, place)
    let manifest = try CheckpointManifest(
      ManifestFields(try JSONValue(parsing: bytes, file: place), "the manifest", place))
    try manifest.check(at: place)
    return manifest
  }

  private static func checkHash(_ bytes: [UInt8], _ place: String) throws {
    let endSize = hashKey.utf8.count + 32 + end.utf8.count
    guard bytes.count > endSize else { throw damage(place, "the manifest is cut off") }
    let body = bytes.dropLast(endSize)
    let hash = body.withUnsafeBytes { Hash128(of: $0) }
    guard bytes.suffix(endSize).elementsEqual("\(hashKey)\(hash)\(end)".utf8) else {
      throw damage(place, "the manifest is damaged, cut off or was changed by hand: its hash is wrong")
    }
  }

  private static func damage(_ place: String, _ problem: String) -> Failure {
    Failure(.badData, at: place, problem, remedy: "use another checkpoint")
  }

  /// JSON text; the outer levels have one element per line, so that people can read them.
  private static func lines(_ value: JSONValue, _ indent: Int) -> String {
    let parts: [String]
    switch value {
    case .array(let elements) where indent < 10: parts = elements.map { lines($0, indent + 2) }
    case .object(let members) where indent < 10:
      parts = members.map { "\(JSONText.quoted($0.key)): \(lines($0.value, indent + 2))" }
    default: return text(value)
    }
    let isObject = value.members != nil
    let line = parts.joined(separator: ", ")
    if line.utf8.count < 100, !line.contains("\n") { return isObject ? "{\(line)}" : "[\(line)]" }
    let space = "\n" + String(repeating: " ", count: indent)
    let joined = parts.joined(separator: ",\(space)  ")
    return (isObject ? "{" : "[") + "\(space)  \(joined)\(space)" + (isObject ? "}" : "]")
  }

  /// JSON text on one line; numbers that are not finite, which JSON does not have, become null.
  static func text(_ value: JSONValue) -> String {
    switch value {
    case .null: "null"
    case .bool(let bool): bool ? "true" : "false"
    case .integer(let integer): String(integer)
    case .number(let number): number.isFinite ? "\(number)" : "null"
    case .string(let string): JSONText.quoted(string)
    case .array(let elements): "[" + elements.map(text).joined(separator: ", ") + "]"
    case .object(let members):
      "{" + members.map { "\(JSONText.quoted($0.key)): \(text($0.value))" }.joined(separator: ", ") + "}"
    }
  }
}

// MARK: - To JSON

extension CheckpointManifest {
  /// The members of the file's object but the last.
  fileprivate var members: [JSONMember] {
    [
      JSONMember("format", .string(Self.formatName)), JSONMember("version", .integer(Self.version)),
      JSONMember("step", .integer(step)), JSONMember("epoch", .integer(epoch)),
      JSONMember("batches_done", .integer(batchesDone)), JSONMember("written_at", .number(writtenAt)),
      JSONMember("world_size", .integer(worldSize)), JSONMember("base_fingerprint", .string("\(baseFingerprint)")),
      JSONMember("trained_count", .integer(trainedCount)),
      JSONMember("metrics", .object(metrics.sorted { $0.key < $1.key }.map { JSONMember($0.key, .number($0.value)) })),
      JSONMember("state", .object(state.sorted { $0.key < $1.key }.map { JSONMember($0.key, $0.value) })),
      JSONMember("tensors", .array(tensors.map(\.json))),
      JSONMember(
        "shards",
        .array(
          shards.enumerated().map { rank, shard in
            .object([JSONMember("file", .string(CheckpointName.shard(rank, of: worldSize)))] + shard.members)
          })),
    ]
  }

  fileprivate static let formatName = "skiptune-checkpoint"
}

extension CheckpointManifest.TrainedTensor {
  fileprivate var json: JSONValue {
    .object([
      JSONMember("name", .string(name)), JSONMember("shape", .array(shape.map { .integer($0) })),
      JSONMember("range", .array([.integer(range.lowerBound), .integer(range.upperBound)])),
    ])
  }
}

extension ShardDescription {
  /// As in the manifest, without the file's name.
  var members: [JSONMember] {
    [
      JSONMember("bytes", .integer(byteCount)), JSONMember("hash", .string("\(hash)")),
      JSONMember("sections", .array(sections.map(\.json))),
    ]
  }
}

extension ShardSection {
  fileprivate var json: JSONValue {
    .object([
      JSONMember("name", .string(name)), JSONMember("start", .integer(start)), JSONMember("count", .integer(count)),
      JSONMember("encoding", .string(encoding.rawValue)),
      JSONMember(
        "frames", .array(frames.map { .array([.integer($0.offset), .integer($0.byteCount), .integer($0.count)]) })),
    ])
  }
}

// MARK: - From JSON

extension CheckpointManifest {
  fileprivate init(_ fields: ManifestFields) throws {
    guard try fields.string("format") == Self.formatName else {
      throw fields.refusal("it is no checkpoint of skiptune")
    }
    let version = try fields.integer("version")
    guard version == Self.version else {
      throw Failure(
        .badData, at: fields.place, "the format has version \(version); this program reads version \(Self.version)",
        remedy: "use the version of skiptune that wrote it")
    }
    self.init(
      step: try fields.integer("step"), epoch: try fields.integer("epoch"),
      batchesDone: try fields.integer("batches_done"), baseFingerprint: try fields.hash("base_fingerprint"),
      tensors: try fields.list("tensors").map(TrainedTensor.init))
    writtenAt = try fields.number("written_at")
    metrics = try Dictionary(
      uniqueKeysWithValues: fields.members("metrics").map { ($0.key, try fields.number($0.value, "a metric")) })
    state = Dictionary(uniqueKeysWithValues: try fields.members("state").map { ($0.key, $0.value) })
    let shards = try fields.list("shards")
    self.shards = try shards.enumerated().map { rank, shard in
      guard try shard.string("file") == CheckpointName.shard(rank, of: shards.count) else {
        throw shard.refusal("its file is not called \(CheckpointName.shard(rank, of: shards.count))")
      }
      return try ShardDescription(shard)
    }
    guard try fields.integer("world_size") == worldSize, try fields.integer("trained_count") == trainedCount else {
      throw fields.refusal("world_size or trained_count contradict the shards and tensors")
    }
  }
}

extension CheckpointManifest.TrainedTensor {
  fileprivate init(_ fields: ManifestFields) throws {
    let range = try fields.integers("range")
    guard range.count == 2, range[0] >= 0, range[0] <= range[1] else { throw fields.refusal("the range is none") }
    self.init(name: try fields.string("name"), shape: try fields.integers("shape"), range: range[0]..<range[1])
  }
}

extension ShardDescription {
  init(_ fields: ManifestFields) throws {
    self.init(
      byteCount: try fields.integer("bytes"), hash: try fields.hash("hash"),
      sections: try fields.list("sections").map(ShardSection.init))
  }
}

extension ShardSection {
  fileprivate init(_ fields: ManifestFields) throws {
    guard let encoding = ShardEncoding(rawValue: try fields.string("encoding")) else {
      throw fields.refusal("the encoding is unknown")
    }
    let frames = try fields.list("frames").map { frame in
      let numbers = try frame.integers()
      guard numbers.count == 3 else { throw frame.refusal("it must be [offset, bytes, count]") }
      return ShardFrame(offset: numbers[0], byteCount: numbers[1], count: numbers[2])
    }
    self.init(
      name: try fields.string("name"), start: try fields.integer("start"), count: try fields.integer("count"),
      encoding: encoding, frames: frames)
  }
}
