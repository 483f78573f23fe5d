import Configuration
import Diagnostics
import Foundation
import Testing

/// The exact words of each error: what is wrong, the value, the rule, the way out.
@Suite struct MessageTests {
  static let wrongValues: [(text: String, words: String)] = [
    (
      "dataset: x\nmethod:\n  start_layer: 14\n",
      "a.yaml:3: method.start_layer is 14 but must be an integer from 1 to 12; change the line, or leave it out for the default 8"
    ),
    (
      "dataset: x\nmethod: {start_layer: 8.0}",
      "a.yaml:2: method.start_layer is 8.0 but must be an integer from 1 to 12; change the line, or leave it out for the default 8"
    ),
    ("dataset: x\nseed: \"5\"", "a.yaml:2: seed is \"5\" but must be an integer of at least 0; take the quotes off"),
    (
      "dataset: x\nseed: 99999999999999999999",
      "a.yaml:2: seed is 99999999999999999999 but must be an integer of at least 0; change the line, or leave it out for the default 1"
    ),
    (
      "dataset: x\nseed: 1_000",
      "a.yaml:2: seed is 1_000 but must be an integer of at least 0; change the line, or leave it out for the default 1"
    ),
    (
      "dataset: x\nsteps:\n  0",
      "a.yaml:2: steps is 0 but must be an integer from 1 to 1000; change the line, or leave it out"
    ),
    (
      "dataset: x\nseed:",
      "a.yaml:2: seed is empty but must be an integer of at least 0; change the line, or leave it out for the default 1"
    ),
    (
      "dataset: x\nseed: {a: 1}",
      "a.yaml:2: seed is a section but must be an integer of at least 0; change the line, or leave it out for the default 1"
    ),
    (
      "dataset: x\nmethod:\n  ratio: 0",
      "a.yaml:3: method.ratio is 0 but must be a number above 0 and at most 1; change the line, or leave it out for the default 0.5"
    ),
    (
      "dataset: x\nmethod:\n  ratio: .nan",
      "a.yaml:3: method.ratio is .nan but must be a number above 0 and at most 1 (and finite); change the line, or leave it out for the default 0.5"
    ),
    (
      "dataset: x\nmethod:\n  ratio: 1e999",
      "a.yaml:3: method.ratio is 1e999 but must be a number above 0 and at most 1 (and finite); change the line, or leave it out for the default 0.5"
    ),
    (
      "dataset: x\nmethod:\n  ratio: half",
      "a.yaml:3: method.ratio is half but must be a number above 0 and at most 1; change the line, or leave it out for the default 0.5"
    ),
    (
      "dataset: x\nresume: yes",
      "a.yaml:2: resume is yes but must be true or false (other spellings are not booleans); write true"
    ),
    (
      "dataset: x\nresume: Off",
      "a.yaml:2: resume is Off but must be true or false (other spellings are not booleans); write false"
    ),
    (
      "dataset: x\nresume: maybe",
      "a.yaml:2: resume is maybe but must be true or false; change the line, or leave it out for the default false"
    ),
    (
      "dataset: 5",
      "a.yaml:1: dataset is 5 but must be text (unquoted it is a number); write \"5\" with the quotes"
    ),
    (
      "dataset: true",
      "a.yaml:1: dataset is true but must be text (unquoted it is a boolean); write \"true\" with the quotes"
    ),
    ("dataset: null", "a.yaml:1: dataset is empty but must be text; change the line, for example to caltech101"),
    (
      "dataset: [x]",
      "a.yaml:1: dataset is a list but must be text; change the line, for example to caltech101"
    ),
    (
      "dataset: x\ndata: \"\"",
      "a.yaml:2: data is \"\" but must be a path; change the line, or leave it out for the default data"
    ),
    (
      "dataset: x\nmethod:\n  precision: fp3",
      "a.yaml:3: method.precision is fp3 but must be one of fp32, bf16, 16; did you mean fp32?"
    ),
    (
      "dataset: x\nmethod:\n  precision: double",
      "a.yaml:3: method.precision is double but must be one of fp32, bf16, 16; change the line, or leave it out for the default fp32"
    ),
    (
      "dataset: x\nmethod:\n  layers:\n    - 3\n    - 13\n",
      "a.yaml:5: method.layers has the element 13 but must be a list of integers, each from 1 to 12; change the line, or leave it out for the default [1, 2]"
    ),
    (
      "dataset: x\nmethod:\n  layers: 3",
      "a.yaml:3: method.layers is 3 but must be a list of integers, each from 1 to 12; write it in brackets, separated by commas"
    ),
    (
      "dataset: x\nmethod:\n  betas: [0.9]",
      "a.yaml:3: method.betas is a list but must be a list of exactly 2 numbers, each at least 0 and below 1 (it has 1); change the line, or leave it out for the default [0.9, 0.999]"
    ),
    (
      "dataset: x\nmethod: fast",
      "a.yaml:2: method is fast but must be a section: What is trained, and how; write method: on a line of its own and its keys indented below"
    ),
    (
      "dataset: x\nsteps: 3\nresume: true",
      "a.yaml:2: steps = 3 cannot be combined with resume; give one of the two"
    ),
  ]

  @Test func aValueCannotControlTheTerminal() {
    #expect(
      message { _ = try readSample(["dataset: x\nseed: \"\\e[2J\\n\"\n"]) }.hasPrefix(
        #"a.yaml:2: seed is "\u001B[2J\n" but must be"#))
    #expect(
      message { _ = try readSample(["dataset: x\n\"\\e[2J\": 1\n"]) }.hasPrefix(#"a.yaml:2: unknown key "\u001B[2J"; "#)
    )
    let long = String(repeating: "x", count: 500)
    #expect(message { _ = try readSample(["dataset: x\nseed: \(long)"]) }.count < 200)
  }

  @Test(arguments: wrongValues) func aWrongValueIsExplained(text: String, words: String) {
    #expect(message { _ = try readSample([text]) } == words)
  }

  static let unknownKeys: [(text: String, words: String)] = [
    (
      "dataset: x\nmethod:\n  start_layr: 3",
      "a.yaml:3: unknown key method.start_layr; did you mean method.start_layer?"
    ),
    ("dataset: x\nsed: 3", "a.yaml:2: unknown key sed; did you mean seed?"),
    ("dataset: x\nmehtod: {ratio: 1}", "a.yaml:2: unknown section mehtod; did you mean method?"),
    ("dataset: x\nprecision: bf16", "a.yaml:2: unknown key precision; did you mean method.precision?"),
    (
      "dataset: x\nwhatever: 3",
      "a.yaml:2: unknown key whatever; the keys there are seed, resume, data, dataset, method, steps, label"
    ),
    (
      "dataset: x\nmethod:\n  <<: 3",
      "a.yaml:3: unknown key method.<<; the keys of method are start_layer, ratio, precision, layers, betas, names, backup"
    ),
  ]

  @Test(arguments: unknownKeys) func anUnknownKeyFindsItsNeighbour(text: String, words: String) {
    #expect(message { _ = try readSample([text]) } == words)
  }

  @Test func whatIsMissingIsNamedWithPurposeAndExample() {
    #expect(
      message { _ = try readSample([]) }
        == "dataset is not set: Name of the data set; give it in a configuration file or, for example, as --set dataset=caltech101"
    )
  }

  @Test func theFirstProblemInFileOrderIsShownAndTheOthersCounted() {
    // Declared in another order than written: seed is read first, but line 1 is wrong first; dataset is missing.
    let text = "method: {ratio: 2}\nsede: 1\nseed: -1\n"
    #expect(
      message { _ = try readSample([text]) }
        == "a.yaml:1: method.ratio is 2 but must be a number above 0 and at most 1; change the line, or leave it out for the default 0.5 (and 3 more)"
    )
    #expect(message { _ = try readSample(["", "seed: x"], set: ["resume=1"]) }.hasPrefix("b.yaml:1: seed is x"))
  }

  @Test func readingGivesUpAfterTwentyProblems() {
    let text = "dataset: x\n" + (0..<100).map { "k\($0)ey: 1\n" }.joined()
    #expect(message { _ = try readSample([text]) }.hasSuffix("(and 19 more)"))
  }

  @Test func aFailureOfTheBodyYieldsToTheProblemThatCausedIt() throws {
    let source = try ConfigurationSource(documents: [("a.yaml", "seed: x")])
    let words = message {
      _ = try ResolvedConfiguration.read(source) { reader in
        _ = try reader.integer("seed", default: nil, "Seed.")
        throw Failure(.badData, "a consequence")
      }
    }
    #expect(words == "a.yaml:1: seed is x but must be an integer; change the line, for example to 1")
  }

  static let options: [(option: String, words: String)] = [
    ("seed", "--set: seed is not of the form key.path=value; write for example --set run.seed=1"),
    ("=3", "--set: =3 is not of the form key.path=value; write for example --set run.seed=1"),
    ("method..ratio=1", "--set: method..ratio=1 is not of the form key.path=value; write for example --set run.seed=1"),
    (
      "method.ratio=7",
      "--set: method.ratio is 7 but must be a number above 0 and at most 1; change the option, or leave it out for the default 0.5"
    ),
    ("method.rato=1", "--set: unknown key method.rato; did you mean method.ratio?"),
    (
      "seed=[1",
      "--set: seed=[1: this is not valid YAML: while parsing a flow sequence: did not find expected ',' or ']'; mend the line or its quotes"
    ),
    (
      "seed.a=1",
      "--set: seed is a section but must be an integer of at least 0; change the option, or leave it out for the default 1"
    ),
  ]

  @Test(arguments: options) func aWrongOptionIsExplained(option: String, words: String) {
    #expect(message { _ = try readSample(["dataset: x"], set: [option]) } == words)
  }
}
