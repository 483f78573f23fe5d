import CLIPModel
import Diagnostics
import Foundation
import Safetensors
import Tensors
import TestSupport
import Testing

@testable import TunedModels

/// Delta files that a stranger brings.
@Suite struct DeltaDamageTests {
  private static let good = [
    "format": "skiptune-delta", "format_version": "1", "base_fingerprint": String(repeating: "0", count: 32),
  ]

  @Test(arguments: [
    (["format": "pt"], "no delta file of skiptune"), (["format_version": "2"], "version \"2\""),
    (["base_fingerprint": "xyz"], "32 hexadecimal digits"), (["classes": "cat"], "JSON list of names"),
    (["classes": "[1]"], "JSON list of names"), (["classes": "[\"a\""], "JSON list of names"),
  ])
  func metadataIsJudged(change: [String: String], words: String) throws {
    try withScratchFolder { folder in
      let file = folder.appendingPathComponent("delta")
      try SafetensorsWriter.write(
        [("x", Tensor([1]))], metadata: Self.good.merging(change) { $1 }, to: file)
      let failure = failure { _ = try TunedWeights(deltaFile: file) }
      #expect(failure?.status == .badData && failure?.place == file.path)
      #expect(failure?.problem.contains(words) == true, "\(String(describing: failure))")
    }
  }

  @Test func noValuesNoFileNoSafetensors() throws {
    try withScratchFolder { folder in
      let file = folder.appendingPathComponent("delta")
      #expect(failure { _ = try TunedWeights(deltaFile: file) }?.status == .missingInput)
      #expect(failure { _ = try TunedWeights(deltaFile: folder) }?.status == .badData)
      try SafetensorsWriter.write([], metadata: Self.good, to: file)
      #expect(failure { _ = try TunedWeights(deltaFile: file) }?.problem == "it holds no values")
      try Data("hello".utf8).write(to: file)
      #expect(failure { _ = try TunedWeights(deltaFile: file) }?.status == .badData)
    }
  }

  /// Right fingerprint, wrong tensors: what a damaged or hostile file may claim.
  @Test(arguments: [
    ("logit_scale", [2]), ("vision_model.post_layernorm.weight", [3]), ("vision_model.post_layernorm.wait", [48]),
    ("visual_projection.weight", [48, 20]),
  ])
  func tensorsMustBeOfTheModel(name: String, shape: [Int]) throws {
    try withScratchFolder { folder in
      let run = try TunedRun(in: folder)
      let file = folder.appendingPathComponent("delta")
      let metadata = Self.good.merging(["base_fingerprint": "\(try run.baseModel().fingerprint)"]) { $1 }
      try SafetensorsWriter.write([(name, Tensor(zeros: shape))], metadata: metadata, to: file)
      let failure = failure {
        _ = try CLIP(run.weights(), delta: TunedWeights(deltaFile: file))
      }
      #expect(failure?.status == .badData && failure?.problem.contains(name) == true)
    }
  }

  @Test func integersAreNoValues() throws {
    try withScratchFolder { folder in
      let run = try TunedRun(in: folder)
      let output = try run.export(TunedWeights(try run.save(7)), .delta, as: "delta")
      let bytes = try Data(contentsOf: output)
      let text = String(decoding: bytes, as: Unicode.ASCII.self)
      let place = try #require(text.firstRange(of: "\"F32\""))
      var changed = bytes
      changed.replaceSubrange(
        text.distance(
          from: text.startIndex, to: place.lowerBound)..<text.distance(from: text.startIndex, to: place.upperBound),
        with: Data("\"I32\"".utf8))
      try changed.write(to: output)
      let failure = failure {
        _ = try CLIP(run.weights(), delta: TunedWeights(deltaFile: output))
      }
      #expect(failure?.status == .badData && failure?.problem.contains("I32") == true)
    }
  }

  /// Every third byte of the header flipped, and truncations: refused or harmless, never a crash, and values
  /// are never those of another tensor without a word.
  @Test func damageIsSeenOrHarmless() throws {
    try withScratchFolder { folder in
      let run = try TunedRun(in: folder)
      let output = try run.export(TunedWeights(try run.save(7)), .delta, as: "delta")
      let bytes = try Data(contentsOf: output)
      let headerEnd = 8 + Int(bytes[0]) + Int(bytes[1]) << 8 + Int(bytes[2]) << 16
      let base = try run.baseModel()
      let expected = run.trained(run.after(7)).bits
      var harmless = 0
      for index in stride(from: 0, to: headerEnd, by: 3) {
        var damaged = bytes
        damaged[index] ^= UInt8(1) << (index % 8)
        try damaged.write(to: output)
        let values = try? {
          let tuned = try TunedWeights(deltaFile: output)
          return try tuned.values(over: base).values.tensor(0..<expected.count)
        }()
        if let values {
          harmless += 1
          // A changed class name or template.
          #expect(values.bits == expected, "byte \(index)")
        }
      }
      #expect((1..<headerEnd / 12).contains(harmless), "\(harmless) of \(headerEnd)")
      for length in stride(from: 0, to: bytes.count, by: bytes.count / 8) {
        try bytes.prefix(length).write(to: output)
        #expect(failure { _ = try TunedWeights(deltaFile: output) }?.status == .badData)
      }
    }
  }
}
