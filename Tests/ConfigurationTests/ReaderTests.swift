import Configuration
import Diagnostics
import Testing

/// Kinds of settings and rules that the sample of the other tests has not.
@Suite struct ReaderTests {
  enum Color: String, CaseIterable { case red, green, blue }

  func read<T>(_ text: String, _ body: (SettingsReader) throws -> T) throws -> T {
    try ResolvedConfiguration.read(ConfigurationSource(documents: [("a.yaml", text)]), body).value
  }

  func words<T>(_ text: String, _ body: (SettingsReader) throws -> T) -> String {
    message { _ = try read(text, body) }
  }

  @Test func optionalSettingsAreNilUntilGiven() throws {
    let number: (SettingsReader) throws -> Double? = { try $0.optionalNumber("k", in: ..<5, "K.") }
    #expect(try read("", number) == nil)
    #expect(try read("k: null", number) == nil)
    #expect(try read("k: -3", number) == -3)
    #expect(words("k: 5", number) == "a.yaml:1: k is 5 but must be a number below 5; change the line, or leave it out")
    #expect(try read("k: false", { try $0.optionalBoolean("k", "K.") }) == false)
    #expect(try read("", { try $0.optionalBoolean("k", "K.") }) == nil)
    #expect(try read("k: blue", { try $0.optionalChoice("k", of: Color.self, "K.") }) == .blue)
    #expect(try read("", { try $0.optionalChoice("k", of: Color.self, "K.") }) == nil)
  }

  @Test func listsOfChoicesAndRequiredLists() throws {
    let colors: (SettingsReader) throws -> [Color] = { try $0.choices("k", default: [.red], count: 1...3, "K.") }
    #expect(try read("", colors) == [.red])
    #expect(try read("k: [blue, green]", colors) == [.blue, .green])
    #expect(
      words("k: [blue, gren]", colors)
        == "a.yaml:1: k has the element gren but must be a list of 1 to 3 words, each one of red, green, blue; did you mean green?"
    )
    #expect(words("k: []", colors).contains("k is an empty list but must be a list of 1 to 3 words"))
    #expect(
      words("", { try $0.integers("k", default: nil, in: 4..., "Some numbers.") })
        == "k is not set: Some numbers; give it in a configuration file or, for example, as --set k=[4]")
  }

  @Test(arguments: [
    ("0", "above 0 and below 1"), ("1", "above 0 and below 1"),
  ])
  func openEndsAreExcluded(value: String, rule: String) {
    let ratio: (SettingsReader) throws -> Double = { try $0.number("k", default: 0.5, in: .above(0, below: 1), "K.") }
    #expect(words("k: \(value)", ratio).contains("k is \(value) but must be a number \(rule);"))
    #expect(words("k: 0.999", ratio) == "no failure")
  }

  @Test func halfOpenRangesOfIntegers() throws {
    let index: (SettingsReader) throws -> Int = { try $0.integer("k", default: 0, in: 0..<4, "K.") }
    #expect(try read("k: 3", index) == 3)
    #expect(words("k: 4", index).contains("must be an integer of at least 0 and below 4"))
    #expect(words("k: -1", { try $0.integer("k", default: -3, in: ...(-2), "K.") }).contains("of at most -2"))
  }

  @Test func aReaderKnowsWhatIsGivenAndWhetherItDescribes() throws {
    let body: (SettingsReader) throws -> [Bool] = { reader in
      let given = reader.isGiven("k")
      _ = try reader.integer("k", default: 1, "K.")
      return [given, reader.isDescribing]
    }
    #expect(try read("k: 2", body) == [true, false])
    #expect(try read("k: null", { $0.isGiven("k") ? 1 : try $0.optionalInteger("k", "K.") }) == nil)
    var described: [Bool] = []
    _ = try ResolvedConfiguration.describe { described = try body($0) }
    #expect(described == [false, true])
  }

  @Test func rulesAcrossSettingsWaitForTheSettings() throws {
    let body: (SettingsReader) throws -> Void = { reader in
      let low = try reader.integer("low", default: nil, in: 0...9, "Low.")
      let high = try reader.integer("high", default: 5, in: 0...9, "High.")
      try reader.require(low <= high, about: "low", "must not exceed high = \(high)", remedy: "swap the two")
    }
    #expect(words("low: 6", body) == "a.yaml:1: low = 6 must not exceed high = 5; swap the two")
    #expect(words("low: 60", body).hasPrefix("a.yaml:1: low is 60 but must be"))
    #expect(try ResolvedConfiguration.describe(body).settings.count == 2)
  }

  @Test func aSectionMayBeReadInParts() throws {
    let sum: (SettingsReader) throws -> Int = { reader in
      let a = try reader.section("s", "S.") { try $0.integer("a", default: 1, "A.") }
      let b = try reader.section("s", "S.") { try $0.section("t", "T.") { try $0.integer("b", default: 2, "B.") } }
      return a + b
    }
    #expect(try read("s: {a: 10, t: {b: 20}}", sum) == 30)
    #expect(words("s: {t: {c: 20}}", sum) == "a.yaml:1: unknown key s.t.c; did you mean s.t.b?")
  }
}
