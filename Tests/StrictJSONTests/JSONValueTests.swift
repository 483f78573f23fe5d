import Diagnostics
import StrictJSON
import Testing

@Suite struct JSONValueTests {
  @Test(
    arguments: [
      ("null", .null), (" true\n", .bool(true)), ("false", .bool(false)),
      ("0", .integer(0)), ("-0", .integer(0)), ("-12", .integer(-12)), ("9223372036854775807", .integer(.max)),
      ("9223372036854775808", .number(9_223_372_036_854_775_808)), ("1.5e3", .number(1500)), ("1E-2", .number(0.01)),
      ("[]", .array([])), ("[1, [2]]", .array([.integer(1), .array([.integer(2)])])),
      ("{}", .object([])), (#"{"b":1,"a":null}"#, .object([.init("b", .integer(1)), .init("a", .null)])),
      (#""a\"\\\/\b\f\n\r\tz""#, .string("a\"\\/\u{8}\u{C}\n\r\tz")), (#""\u00e9\uD83E\uDD9C""#, .string("é🦜")),
      ("\"é🦜\"", .string("é🦜")),
    ] as [(String, JSONValue)])
  func validTextsAreRead(text: String, value: JSONValue) throws {
    #expect(try JSONValue(parsing: Array(text.utf8)) == value)
  }

  @Test(arguments: [
    "", " ", "tru", "nul", "+1", "01", "1.", ".5", "1e", "-", "1 2", "[1,]", "[,1]", "[1", "{\"a\"}", "{\"a\":}",
    "{\"a\":1,}", "{a:1}", "{1:1}", "\"", "\"\\x\"", "\"\\u12\"", "\"\\uD800\"", "\"\\uDC00\"", "\"\\uD800\\u0041\"",
    "\"a\nb\"", "NaN", "1e999", "{\"a\":1,\"a\":2}", "]", "}", "[1}", "{\"a\":1]", "'a'", "[1] x", "\u{FEFF}1",
  ])
  func invalidTextsAreRefused(text: String) {
    #expect(throws: JSONProblem.self) { try JSONValue(parsing: Array(text.utf8)) }
  }

  @Test func invalidUTF8IsRefused() {
    #expect(throws: JSONProblem.self) { try JSONValue(parsing: [0x22, 0xFF, 0x22]) }
    #expect(throws: JSONProblem.self) { try JSONValue(parsing: [0x22, 0xC3, 0x22]) }
  }

  @Test func nestingEndsAt64Levels() throws {
    let deepest = String(repeating: "[", count: 64) + String(repeating: "]", count: 64)
    #expect(try JSONValue(parsing: Array(deepest.utf8)).elements?.count == 1)
    for text in ["[\(deepest)]", String(repeating: "{\"a\":", count: 100_000)] {
      let problem = try #require(throws: JSONProblem.self) { try JSONValue(parsing: Array(text.utf8)) }
      #expect(problem.problem == "values nest deeper than 64 levels")
    }
  }

  @Test(
    arguments: [
      ("{\n\"a\":\n x}", 3, 2, "malformed JSON: a value is missing"),
      ("[1,\n", 2, 1, "malformed JSON: the text ends too early (a value is missing)"),
      ("[\"a\nb\"]", 1, 4, "malformed JSON: a control character inside a string"),
      ("[\n  \"a", 2, 5, "malformed JSON: the text ends inside a string"),
      ("{\"a\": 1,\n \"a\": 2}", 2, 2, "the key \"a\" is given twice"),
      ("[0, -1e999]", 1, 5, "the number \"-1e999\" is out of range"),
    ] as [(String, Int, Int, String)])
  func problemsSayLineAndColumn(text: String, line: Int, column: Int, words: String) throws {
    let problem = try #require(throws: JSONProblem.self) { try JSONValue(parsing: Array(text.utf8)) }
    #expect((problem.line, problem.column) == (line, column))
    #expect(problem.problem == words)
    let failure = try #require(throws: Failure.self) { try JSONValue(parsing: Array(text.utf8), file: "a.json") }
    #expect(failure == Failure(.badData, at: "a.json:\(line):\(column)", words, remedy: problem.remedy))
  }
}
