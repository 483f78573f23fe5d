import Foundation
import Safetensors
import Tensors
import TestSupport
import Testing

extension EndToEnd {
  /// The program on one model in several forms; what is in them is tested in ModelSourceTests.
  @Suite struct ModelForms {
    private static func path(_ name: String) -> String { Goldens.url("weights/\(name)").path }

    private static let forms = [
      ["model"], ["openai-script.pt"], ["openai-state.pt", "--activation", "quick_gelu"],
      ["open_clip", "--tokenizer", path("bpe_simple_vocab_16e6.txt.gz")],
    ].map { [path($0[0])] + $0.dropFirst() }

    @Test func featuresAndFingerprintsAreTheSameInAllForms() throws {
      let scratch = try ScratchFolder()
      var features: [[UInt32]] = []
      var fingerprints: [String] = []
      for (number, form) in Self.forms.enumerated() {
        let file = scratch.file("\(number).safetensors")
        let embedded = try Program.run(["embed", "--model"] + form + ["--texts", "the sand", "-o", file.path])
        try #require(embedded.status == 0, "\(embedded.stderr)")
        features.append(try SafetensorsFile(contentsOf: file).tensor("text_features").bits)
        let inspected = try Program.run(["model", "inspect"] + form + ["--json"])
        try #require(inspected.status == 0, "\(inspected.stderr)")
        let json = try JSONSerialization.jsonObject(with: Data(inspected.stdout.utf8)) as? [String: Any]
        #expect(json?["activation"] as? String == "quick_gelu" && json?["parameters"] as? Int == 143_137)
        fingerprints.append(try #require(json?["fingerprint"] as? String))
      }
      #expect(Set(features).count == 1 && Set(fingerprints).count == 1)
    }

    @Test(arguments: [
      (["openai-state.pt"], Int32(64), "--activation"),
      (["openai-script.pt", "--activation", "gelu"], 64, "not with gelu"),
      (["archives/old.pt"], 65, "before version 1.6"), (["archives/whole-module.pt"], 65, "state_dict()"),
      (["archives/tensors.pt"], 65, "visual.conv1.weight is missing"), (["nothing.pt"], 66, "no such file or folder"),
    ]) func whatIsWrongIsOneLine(arguments: [String], status: Int32, words: String) throws {
      let outcome = try Program.run(["model", "inspect", Self.path(arguments[0])] + arguments.dropFirst())
      #expect(outcome.status == status && outcome.stdout.isEmpty)
      #expect(outcome.stderr.contains(words), "\(outcome.stderr)")
      #expect(outcome.stderr.split(separator: "\n").count == 1)
    }
  }
}
