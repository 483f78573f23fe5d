import Configuration
import Diagnostics
import Foundation
import Testing

/// Files that are not configurations: refused with their line, whatever they hold.
@Suite struct DocumentTests {
  static let malformed: [(text: String, words: String)] = [
    ("- a\n- b\n", "a.yaml:1: a configuration must be a mapping of keys to values; write key: value lines"),
    ("# text\n\nhello", "a.yaml:3: a configuration must be a mapping of keys to values; write key: value lines"),
    ("method:\n\tratio: 1\n", "a.yaml:2: a tab indents this line; YAML allows spaces only; use two"),
    ("a: 1\nb: 2\na: 3\n", "a.yaml:1: the key a is given twice in one section; keep one of the two"),
    ("1: 1\n\"1\": 2\n", "a.yaml:1: the key 1 is given twice in one section; keep one of the two"),
    ("? [a, b]\n: 3\n", "a.yaml:1: a key must be a plain word; write key: value"),
    (
      "a: !!str 5\n",
      "a.yaml:1: the YAML tag tag:yaml.org,2002:str is not allowed; put text in quotes and leave the tag out"
    ),
    ("a: 1\nb: !x [1]\n", "a.yaml:2: the YAML tag !x is not allowed; put text in quotes and leave the tag out"),
    ("a: *b\n", "a.yaml:1: this is not valid YAML: found undefined alias; mend the line or its quotes"),
    (
      "a: 1\nb: \"x\n",
      "a.yaml:3: this is not valid YAML: while scanning a quoted scalar: found unexpected end of stream; mend the line or its quotes"
    ),
    (
      "a: 1\n---\nb: 2\n",
      "a.yaml:2: this is not valid YAML: expected a single document in the stream: but found another document; mend the line or its quotes"
    ),
    (
      "a: 1\nb: \u{1}\n",
      "a.yaml:2: this is not valid YAML: control characters are not allowed; save the file as plain UTF-8 text"
    ),
  ]

  @Test(arguments: malformed) func aMalformedFileIsRefusedWithItsLine(text: String, words: String) {
    #expect(message { _ = try ConfigurationSource(documents: [("a.yaml", text)]) } == words)
  }

  @Test func deepNestingIsRefused() {
    let flow = String(repeating: "[", count: 40) + String(repeating: "]", count: 40)
    #expect(message { _ = try ConfigurationSource(documents: [("a.yaml", "a: " + flow)]) }.contains("deeper than 32"))
    for depth in [900, 100_000] {
      for part in ["[", "{a: ", "- ", "? "] {
        let text = String(repeating: part, count: depth)
        #expect(message { _ = try ConfigurationSource(documents: [("a.yaml", text)]) }.hasPrefix("a.yaml:"))
      }
    }
  }

  @Test func aliasesAreLimited() throws {
    let few = try readSample(["dataset: &name x\nlabel: *name\n"])
    #expect(few.value.label == "x")
    let bomb =
      "a0: &a0 [x,x]\n" + (1...40).map { "a\($0): &a\($0) [*a\($0 - 1),*a\($0 - 1)]\n" }.joined() + "? *a40\n: 1\n"
    #expect(
      message { _ = try ConfigurationSource(documents: [("a.yaml", bomb)]) }
        == "a.yaml:10: more than 16 words begin with *, the sign of a YAML alias; write the values out")
    let wide =
      "a: &a [\(String(repeating: "x,", count: 60000))x]\nb: [*a, *a]\n"
    #expect(message { _ = try ConfigurationSource(documents: [("a.yaml", wide)]) }.contains("unfold to too much"))
  }

  @Test func hugeFilesAreRefused() {
    let text = "a: 1\n" + String(repeating: "#\n", count: 1 << 19)
    #expect(
      message { _ = try ConfigurationSource(documents: [("a.yaml", text)]) }
        == "a.yaml:1: the configuration is larger than 1 MiB; keep only settings in it")
  }

  @Test(arguments: ["", "# nothing\n", "---\n", "~"]) func anEmptyFileSaysNothing(text: String) throws {
    #expect(try readSample([text, "dataset: x"]).value.dataset == "x")
  }

  @Test func byteOrderMarkAndWindowsLineEndsAreAccepted() throws {
    let sample = try readSample(["\u{FEFF}dataset: x\r\nseed: 4\r\n"])
    #expect(sample.value.seed == 4)
    #expect(sample.resolved.settings.first { $0.key == "seed" }?.origin == .file("a.yaml", line: 2))
  }

  @Test func filesAreReadFromTheDisk() throws {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent("config-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    let file = folder.appendingPathComponent("run.yaml")

    #expect(throws: Failure.self) { try ConfigurationSource(files: [file]) }
    #expect(
      message { _ = try ConfigurationSource(files: [file]) }.hasPrefix("status missingInput: \(file.path): there is no")
    )
    #expect(message { _ = try ConfigurationSource(files: [folder]) }.hasPrefix("status missingInput"))

    try Data("dataset: x\nseed: a\n".utf8).write(to: file)
    let source = try ConfigurationSource(files: [file])
    #expect(
      message { _ = try ResolvedConfiguration.read(source, SampleSettings.init) }
        .hasPrefix("\(file.path):2: seed is a but must be"))

    try Data([0x61, 0x3A, 0x20, 0xFF, 0xFE]).write(to: file)
    #expect(
      message { _ = try ConfigurationSource(files: [file]) }.hasSuffix(
        "the file is not UTF-8 text; save it as plain UTF-8 text"))
    try Data(count: 2 << 20).write(to: file)
    #expect(message { _ = try ConfigurationSource(files: [file]) }.contains("larger than 1 MiB"))
  }
}
