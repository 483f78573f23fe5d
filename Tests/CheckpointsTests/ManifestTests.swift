import Diagnostics
import Foundation
import ShardFiles
import StrictJSON
import Tensors
import TestSupport
import Testing

@testable import Checkpoints

@Suite struct ManifestTests {
  private static func sample() throws -> CheckpointManifest {
    try withScratchFolder { folder in
      let run = SavedRun(count: 150, in: folder)
      try run.save(12, worldSize: 2, metrics: ["accuracy": 0.1, "loss": 1e-300], at: 1.5e9)
      return try Checkpoint(reading: run.folder(12)).manifest
    }
  }

  @Test func everythingComesBack() throws {
    var manifest = try Self.sample()
    manifest.metrics["tiny"] = .leastNonzeroMagnitude
    manifest.state = [
      "configuration": .string("a: \"b\"\n\tüñ\u{1F600}\u{7f}\u{0}"), "none": .null, "empty": .array([]),
      "provenance": .object([JSONMember("cpu", .string("x")), JSONMember("ranks", .integer(4))]),
      "mask": .array((0..<300).map { .bool($0 % 3 == 0) }), "numbers": .array([.number(0.1), .integer(.min)]),
      "deep": .array([.array([.array([.array([.object([JSONMember("a", .array([.integer(1)]))])])])])]),
    ]
    let bytes = ManifestText.bytes(manifest)
    #expect(try ManifestText.manifest(bytes, at: "m") == manifest)
    #expect(bytes.split(separator: UInt8(ascii: "\n")).allSatisfy { $0.count < 4000 })
  }

  @Test func numbersThatAreNotFiniteAreNotANumber() throws {
    var manifest = try Self.sample()
    manifest.metrics = ["a": .nan, "b": .infinity, "c": -1]
    let read = try ManifestText.manifest(ManifestText.bytes(manifest), at: "m").metrics
    #expect(read["a"]?.isNaN == true && read["b"]?.isNaN == true && read["c"] == -1)
  }

  @Test func everyFlippedByteIsFound() throws {
    let bytes = ManifestText.bytes(try Self.sample())
    for index in bytes.indices {
      for mask: UInt8 in [0x01, 0x20, 0xFF] {
        var damaged = bytes
        damaged[index] ^= mask
        #expect(failure { _ = try ManifestText.manifest(damaged, at: "m") }?.status == .badData, "byte \(index)")
      }
    }
  }

  @Test func everyTruncationAndAnAppendedByteAreFound() throws {
    let bytes = ManifestText.bytes(try Self.sample())
    for length in bytes.indices {
      #expect(failure { _ = try ManifestText.manifest(Array(bytes[..<length]), at: "m") }?.status == .badData)
    }
    #expect(failure { _ = try ManifestText.manifest(bytes + [10], at: "m") }?.status == .badData)
  }

  /// Text changed by somebody who also made the hash right.
  @Test(
    arguments: [
      ("\"step\": 12", "\"step\": -1", "must not be negative"), ("\"step\": 12", "\"step\": 1.5", "step must be"),
      ("\"epoch\": 1", "\"epoch\": 99999999999999999999", "epoch must be"),
      ("\"version\": 1", "\"version\": 2", "version 2"),
      ("skiptune-checkpoint", "other", "no checkpoint"), ("\"world_size\": 2", "\"world_size\": 3", "contradict"),
      ("\"trained_count\": 150", "\"trained_count\": 1125899906842624", "contradict"),
      ("[0, 50]", "[0, 1125899906842624]", "does not fill"), ("\"shape\": [50]", "\"shape\": [-50]", "does not fill"),
      ("\"shape\": [50]", "\"shape\": [4611686018427387904, 4]", "does not fill"), ("[0, 50]", "[50, 0]", "the range"),
      ("[0, 50]", "[9223372036854775807, 0]", "the range"), ("text.weight", "image.weight", "the same name"),
      ("shard-00001-of-00002.zst", "../../../../etc/passwd", "not called"),
      ("shard-00001-of-00002.zst", "shard-00000-of-00002.zst", "not called"),
      ("\"encoding\": \"planes\"", "\"encoding\": \"plain\"", "encoding is unknown"),
      ("\"start\": 75", "\"start\": 74", "missing or there twice"),
      ("\"start\": 75", "\"start\": 9223372036854775807", "elements from element"),
      ("\"name\": \"momentum\"", "\"name\": \"other\"", "missing or there twice"),
      ("\"bytes\": ", "\"bytes\": 1125899906842624, \"was\": ", "the frames end"),
      ("\"bytes\": ", "\"bytes\": -1, \"was\": ", "no header"),
      ("\"count\": 75", "\"count\": 1125899906842624", "its frames hold"),
      ("\"hash\": \"", "\"hash\": \"x", "must be a hash"), ("\"shards\"", "\"other\"", "shards must be"),
      ("[16, ", "[17, ", "must follow"),
      ("[16, ", "[16, 1125899906842624, 64], [16, ", "frame of 1125899906842624 bytes"),
      ("[16, ", "[-9223372036854775808, ", "must follow"), ("\"frames\": [[", "\"frames\": [[0], [", "[offset, bytes"),
      ("\"epoch\"", "\"step\"", "given twice"), ("\"step\": 12", "\"step\": ", "malformed"),
    ])
  func contradictionsAreRefusedBehindARightHash(old: String, new: String, message: String) throws {
    let text = String(decoding: ManifestText.bytes(try Self.sample()), as: UTF8.self)
    let range = try #require(text.firstRange(of: old), "\(text)")
    let bytes = rehashed(text.replacingCharacters(in: range, with: new))
    let failure = failure { _ = try ManifestText.manifest(bytes, at: "m.json") }
    #expect(failure?.status == .badData)
    #expect(failure?.place?.hasPrefix("m.json") == true)
    #expect(failure?.problem.contains(message) == true, "\(failure?.problem ?? "accepted")")
  }

  @Test func membersThatALaterProgramAddsAreIgnored() throws {
    let manifest = try Self.sample()
    let text = String(decoding: ManifestText.bytes(manifest), as: UTF8.self)
    let longer = text.replacing("\"step\": 12", with: "\"step\": 12, \"later\": {\"a\": [1]}")
    #expect(try ManifestText.manifest(rehashed(longer), at: "m") == manifest)
  }

  @Test(
    arguments: [
      ("step-00000012", 12), ("step-123456789", 123_456_789), ("step-00000000", 0), ("step-12", nil),
      ("step-000000012", nil), ("step--0000001", nil), ("step-00000012.partial-a", nil), ("latest", nil),
      ("step-+0000012", nil), ("../step-00000012", nil), ("step-99999999999999999999", nil),
    ] as [(String, Int?)])
  func namesOfCheckpoints(name: String, step: Int?) { #expect(CheckpointName.step(of: name) == step) }

  @Test(
    arguments: [
      ("step-00000012.partial-a", true), ("step-00000012.deleting-a", true), (".latest.123.partial", true),
      ("step-00000012", false), ("step-00000012.damaged-a", false), ("notes.partial-a", false), ("latest", false),
      ("step-12.partial-a", false),
    ])
  func namesOfLeftovers(name: String, isLeftover: Bool) { #expect(CheckpointName.isLeftover(name) == isLeftover) }
}

/// The text of a manifest with its hash made right.
func rehashed(_ text: String) -> [UInt8] {
  let body = text[..<text.range(of: "  \"manifest_hash\"", options: .backwards)!.lowerBound]
  let hash = Array(body.utf8).withUnsafeBytes { Hash128(of: $0) }
  return Array("\(body)  \"manifest_hash\": \"\(hash)\"\n}\n".utf8)
}
