import Diagnostics
import Foundation
import Testing

@testable import Configuration

@Suite struct ScalarTests {
  /// A small generator (splitmix64), so that a failure can be repeated.
  struct Generator: RandomNumberGenerator {
    var state: UInt64
    mutating func next() -> UInt64 {
      state &+= 0x9E37_79B9_7F4A_7C15
      var z = state
      z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
      z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
      return z ^ (z >> 31)
    }
  }

  /// The slow twin: the regular expressions of the YAML 1.2 core schema.
  static func kindByExpression(_ text: String) -> ScalarText.Kind {
    func matches(_ pattern: String) -> Bool {
      text.range(of: "\\A(?:\(pattern))\\z", options: .regularExpression) != nil
    }
    if matches("[-+]?[0-9]+") { return .integer }
    if matches("[-+]?(\\.[0-9]+|[0-9]+(\\.[0-9]*)?)([eE][-+]?[0-9]+)?") { return .number }
    return .text
  }

  @Test func numbersAreToldFromTextAsTheSpecificationDoes() {
    var generator = Generator(state: 1)
    for _ in 0..<20_000 {
      let length = Int.random(in: 1...6, using: &generator)
      let text = String((0..<length).compactMap { _ in "0019.eE+-x_".randomElement(using: &generator) })
      let scalar = ScalarText(text: text, isQuoted: false)
      #expect(scalar.kind == Self.kindByExpression(text), "\(text)")
      if scalar.kind != .text { #expect(scalar.number != nil, "\(text)") }
    }
  }

  @Test(arguments: [
    ("", ScalarText.Kind.null), ("~", .null), ("null", .null), ("Null", .text), ("true", .boolean), ("True", .text),
    ("yes", .text), ("0x1F", .text), ("0o17", .text), ("1_000", .text), (".inf", .number), ("inf", .text),
    ("1:30", .text),
    ("2024-01-01", .text), ("१", .text),
  ])
  func wordsHaveOneMeaning(text: String, kind: ScalarText.Kind) {
    #expect(ScalarText(text: text, isQuoted: false).kind == kind)
    #expect(ScalarText(text: text, isQuoted: true).kind == .text)
  }

  @Test func everyTextReadsBack() throws {
    var generator = Generator(state: 2)
    let alphabet = Array(
      "ab1 .:-#'\"\\\n\t\r\u{0}\u{1}\u{7F}\u{85}\u{A0}\u{2028}\u{FEFF}é日😀[]{},&*!|>%@`?~=yn".unicodeScalars)
    for _ in 0..<3_000 {
      var text = ""
      for _ in 0..<Int.random(in: 0...8, using: &generator) {
        if let scalar = alphabet.randomElement(using: &generator) { text.unicodeScalars.append(scalar) }
      }
      // Foundation drops a byte order mark at the start of any text that it decodes for the parser.
      while text.unicodeScalars.first == "\u{FEFF}" { text.unicodeScalars.removeFirst() }
      let source = try ConfigurationSource(documents: [("a", "key: \(SettingValue.text(text).yaml)  # c")])
      let value = try ResolvedConfiguration.read(source) { try $0.string("key", default: nil, "Text.") }.value
      #expect(Array(value.unicodeScalars) == Array(text.unicodeScalars))
    }
  }

  @Test func damagedFilesFailOrReadButNeverTrap() {
    let text = """
      # comment
      dataset: "caltech101" # name
      seed: 1
      method: &m
        start_layer: 8
        layers: [1, 2, {a: b}]
        names:
          - 'x'
          - |
            block
      label: *m
      ? complex
      : >-
        folded
      """
    let spice = Array(":-?[]{},&*!|>'\"%@`#\n\t \u{0}é\\~=<\u{FEFF}".unicodeScalars)
    var generator = Generator(state: 3)
    var accepted = 0
    for _ in 0..<5_000 {
      var scalars = Array(text.unicodeScalars)
      for _ in 0..<Int.random(in: 1...6, using: &generator) {
        let place = Int.random(in: 0..<scalars.count, using: &generator)
        switch Int.random(in: 0..<3, using: &generator) {
        case 0: scalars.remove(at: place)
        case 1: scalars.insert(spice[Int.random(in: spice.indices, using: &generator)], at: place)
        default: scalars.removeSubrange(place..<min(scalars.count, place + Int.random(in: 1...40, using: &generator)))
        }
        if scalars.isEmpty { break }
      }
      var damaged = ""
      damaged.unicodeScalars.append(contentsOf: scalars)
      do {
        _ = try ConfigurationSource(documents: [("a.yaml", damaged)])
        accepted += 1
      } catch {
        let failure = error as? Failure
        #expect(failure?.status == .usage && failure?.place?.hasPrefix("a.yaml:") == true, "\(error)")
      }
    }
    #expect(accepted > 100 && accepted < 4_900)
  }
}
