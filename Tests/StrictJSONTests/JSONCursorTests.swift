import Foundation
import StrictJSON
import Tensors
import Testing

@Suite struct JSONCursorTests {
  private static func problem(_ body: () throws -> Void) throws -> JSONProblem? {
    do {
      try body()
      return nil
    } catch let problem as JSONProblem {
      return problem
    }
  }

  @Test func aByteOrderMarkIsPassedOverOnlyWhereAllowed() throws {
    let bytes = Array("\u{FEFF}[7]".utf8)
    var allowing = JSONCursor(bytes, allowsByteOrderMark: true)
    #expect(try allowing.value() == .array([.integer(7)]))
    var strict = JSONCursor(bytes)
    #expect(try Self.problem { try strict.skipValue() }?.problem == "malformed JSON: a value is missing")
  }

  private static let whole = Array(
    """
    {"train": [["a/1.jpg", 0, "abyssinian"], ["b/1.jpg", -1.5e2, "b\\u00e9\\ud83d\\ude00"]],
     "val": [], "test": [["c/2.jpg", 2, true], null, {"k": false}]}   \u{20}
    """.utf8)

  private static func damaged(_ random: inout CounterRandom) -> [UInt8] {
    let alphabet = Array("{}[]\",:\\u0123dD8eE+-. \n\ttrue".utf8) + [0, 0xff, 0xc3]
    var bytes = whole
    for _ in 0...random.integer(below: 2) {
      bytes[random.integer(below: bytes.count)] = alphabet[random.integer(below: alphabet.count)]
    }
    bytes.removeLast(random.integer(below: 4))
    return bytes
  }

  /// Damaged texts never trap; what Foundation's parser refuses is refused here too, read or skipped.
  @Test func damagedTextsAreJudgedAsByFoundation() throws {
    var random = CounterRandom(seed: 5)
    var accepted = 0
    for _ in 0..<20_000 {
      let bytes = Self.damaged(&random)
      var cursor = JSONCursor(bytes)
      let skipping = try Self.problem {
        try cursor.skipValue()
        try cursor.end()
      }
      let reading = try Self.problem { _ = try JSONValue(parsing: bytes) }
      let foundationAccepts = (try? JSONSerialization.jsonObject(with: Data(bytes))) != nil
      accepted += foundationAccepts ? 1 : 0
      let stricter = reading?.problem.contains("given twice") == true
      let words = "\(String(decoding: bytes, as: UTF8.self)): \(skipping as Any), \(reading as Any)"
      #expect((reading == nil) == foundationAccepts || stricter, "\(words)")
      // Skipped numbers are not converted.
      #expect(reading == skipping || reading?.problem.contains("out of range") == true, "\(words)")
    }
    #expect(accepted > 1000)
  }
}
