import Configuration
import Diagnostics
import Foundation
import Testing

/// Merging, origins, and what is made of a configuration that was read.
@Suite struct ResolutionTests {
  static let first = """
    dataset: caltech101
    seed: 1
    method:
      start_layer: 9
      layers: [1, 2, 3]
    """
  static let second = """
    seed: 2
    method:
      ratio: 0.25
      layers:
        - 5
    """

  @Test func laterFilesWinAndMappingsAreMerged() throws {
    let sample = try readSample(
      [Self.first, Self.second], set: ["method.start_layer=10", "seed=3", "method.start_layer=11"])
    #expect(sample.value.dataset == "caltech101")
    #expect(sample.value.seed == 3)
    #expect(sample.value.method.startLayer == 11)
    #expect(sample.value.method.ratio == 0.25)
    #expect(sample.value.method.layers == [5])
    #expect(sample.value.method.precision == .fp32)
  }

  @Test func everyValueKnowsItsOrigins() throws {
    let sample = try readSample([Self.first, Self.second], set: ["seed=3"])
    func setting(_ key: String) -> ResolvedSetting? { sample.resolved.settings.first { $0.key == key } }
    #expect(setting("seed")?.origin == .option)
    #expect(setting("seed")?.replaced == [.file("a.yaml", line: 2), .file("b.yaml", line: 1)])
    #expect(setting("method.layers")?.origin == .file("b.yaml", line: 4))
    #expect(setting("method.start_layer")?.origin == .file("a.yaml", line: 4))
    #expect(setting("method.precision")?.origin == .defaultValue)
    #expect(setting("dataset")?.replaced == [])
  }

  @Test func optionsAreYAML() throws {
    let options = [
      "dataset=\"5\"", "method={precision: 16, betas: [0, 5e-1]}", "label=a=b", "method.names=[x, \"y: z\"]",
      "resume=true",
    ]
    let sample = try readSample([], set: options)
    #expect(sample.value.dataset == "5")
    #expect(sample.value.method.precision == .half)
    #expect(sample.value.method.betas == [0, 0.5])
    #expect(sample.value.label == "a=b")
    #expect(sample.value.method.names == ["x", "y: z"])
    #expect(sample.value.resume)
  }

  @Test func anEmptyValueUnsetsAnOptionalSettingAndLeavesASection() throws {
    let sample = try readSample(["dataset: x\nsteps: 5\nmethod:\n  ratio: 1\n", "steps:\nmethod:\n"])
    #expect(sample.value.steps == nil)
    #expect(sample.value.method.ratio == 1)
  }

  @Test func pathsAreMadeAbsolute() throws {
    let here = URL(fileURLWithPath: FileManager.default.currentDirectoryPath)
    let sample = try readSample(["dataset: x\ndata: ../d/./e\nmethod: {backup: ~/b}"])
    #expect(sample.value.data.path == here.deletingLastPathComponent().appendingPathComponent("d/e").path)
    #expect(sample.value.method.backup?.path == FileManager.default.homeDirectoryForCurrentUser.path + "/b")
    #expect(try readSample(["dataset: x"]).value.data.path == here.appendingPathComponent("data").path)
  }

  @Test func resolvedYAMLStatesEachOrigin() throws {
    let text = try readSample(["dataset: x\ndata: /d\n"], set: ["seed=3"]).resolved.yaml()
    #expect(
      text == """
        # Every setting of this run, with its origin. Made by skiptune; give it to -c to repeat the run.
        seed: 3  # --set
        resume: false  # default
        data: /d  # a.yaml:2
        dataset: x  # a.yaml:1
        steps: null  # default
        label: null  # default
        method:
          start_layer: 8  # default
          ratio: 0.5  # default
          precision: fp32  # default
          layers: [1, 2]  # default
          betas: [0.9, 0.999]  # default
          names: []  # default
          backup: null  # default

        """)
  }

  /// Names that a careless writer of YAML would spoil.
  static let awkward = [
    "plain", "yes", "5", "1e5", "null", "", "~", " led", "a: b", "a #b", "\"q\"", "back\\slash", "tab\tnew\nline",
    "naïve 日本",
    "*a", "&a", "!x", "- x", "[x]", "{x}", "%x", "@x", "`x", "'", "\u{7F}\u{85}\u{2028}\u{FEFF}", "ViT-B/16", "-",
    "---", "=", "0x1F",
  ]

  @Test func resolvedYAMLReadsBackToTheSameSettings() throws {
    let names = Self.awkward.map { SettingValue.text($0).yaml }.joined(separator: ", ")
    let numbers = "[\(0.1 + 0.2), \(Double.leastNonzeroMagnitude)]"
    let sample = try readSample(
      [Self.first, Self.second],
      set: [
        "method.names=[\(names)]", "method.betas=\(numbers)", "method.precision=16", "label=\"on\"", "data=/a b/#c",
      ])
    #expect(sample.value.method.names == Self.awkward)
    #expect(sample.value.method.betas == [0.1 + 0.2, Double.leastNonzeroMagnitude])
    let again = try readSample([sample.resolved.yaml()])
    #expect(again.value == sample.value)
    #expect(again.resolved.settings.map(\.value) == sample.resolved.settings.map(\.value))
  }

  @Test func aFileNameCannotBreakOutOfItsComment() throws {
    let source = try ConfigurationSource(documents: [("x\nseed: 9\u{0}.yaml", "dataset: x")])
    let text = try ResolvedConfiguration.read(source, SampleSettings.init).resolved.yaml()
    #expect(text.contains("dataset: x  # x?seed: 9?.yaml:1\n"))
  }

  @Test func everySettingIsListedWithoutAConfiguration() throws {
    let reference = try ResolvedConfiguration.describe(SampleSettings.init)
    #expect(
      reference.settings.map(\.key) == [
        "seed", "resume", "data", "dataset", "method.start_layer", "method.ratio", "method.precision", "method.layers",
        "method.betas", "method.names", "method.backup", "steps", "label",
      ])
    #expect(reference.sections.map(\.key) == ["method"])
    #expect(reference.sections.map(\.documentation) == ["What is trained, and how."])
    let dataset = try #require(reference.settings.first { $0.key == "dataset" })
    #expect(dataset.isRequired && dataset.defaultValue == nil && dataset.example == .text("caltech101"))
    let data = try #require(reference.settings.first { $0.key == "data" })
    #expect(data.defaultValue == .text("data"))
    let betas = try #require(reference.settings.first { $0.key == "method.betas" })
    #expect(betas.type.name == "list of number")
    #expect(try readSample(["dataset: x"]).resolved.reference == reference)
  }

  @Test func explainTellsRuleAndOrigin() throws {
    let resolved = try readSample([Self.first, Self.second], set: ["seed=3"]).resolved
    #expect(
      try resolved.explain("seed") == """
        seed = 3
          Seed of every random choice.
          allowed: an integer of at least 0
          default: 1
          set: in --set, replacing a.yaml:2, b.yaml:1
        """)
    #expect(try resolved.explain("steps").hasSuffix("default: none, it may be left out\n  set: by default"))
    let section = try resolved.explain("method")
    #expect(section.hasPrefix("method: What is trained, and how.\n\nmethod.start_layer = 9"))
    #expect(message { _ = try resolved.explain("start_layer") }.hasSuffix("did you mean method.start_layer?"))
    #expect(message { _ = try resolved.explain("method.start_layr") }.hasSuffix("did you mean method.start_layer?"))
  }

  @Test func theSchemaCoversEverySetting() throws {
    let reference = try ResolvedConfiguration.describe(SampleSettings.init)
    let text = try reference.jsonSchema()
    let root = try #require(try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any])
    #expect(root["$schema"] as? String == "https://json-schema.org/draft/2020-12/schema")
    #expect(root["additionalProperties"] as? Bool == false)
    for setting in reference.settings {
      let node = setting.key.split(separator: ".").reduce(root as [String: Any]?) { node, key in
        (node?["properties"] as? [String: Any])?[String(key)] as? [String: Any]
      }
      #expect((node?["description"] as? String)?.hasPrefix(setting.documentation) == true, "\(setting.key)")
    }
    let method = ((root["properties"] as? [String: Any])?["method"] as? [String: Any])?["properties"] as? [String: Any]
    let ratio = try #require(method?["ratio"] as? [String: Any])
    #expect(ratio["exclusiveMinimum"] as? Double == 0 && ratio["maximum"] as? Double == 1 && ratio["minimum"] == nil)
    let betas = try #require(method?["betas"] as? [String: Any])
    #expect(betas["minItems"] as? Int == 2 && betas["maxItems"] as? Int == 2)
    #expect((betas["items"] as? [String: Any])?["type"] as? String == "number")
    let precision = try #require(method?["precision"] as? [String: Any])
    #expect((precision["enum"] as? [Any])?.contains { $0 as? String == "bf16" } == true)
    let backup = try #require(method?["backup"] as? [String: Any])
    #expect(backup["type"] as? [String] == ["string", "null"])
  }
}
