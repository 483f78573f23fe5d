import Foundation
import StrictJSON
import Testing

@Suite struct JSONTextTests {
  @Test(arguments: ["", "plain", "\"\\/\u{8}\u{C}\n\r\t\u{0}\u{1F}\u{7F}", "é e\u{301} 🦜 \u{2028}"])
  func quotedStringsAreReadBack(string: String) throws {
    let text = Array(JSONText.quoted(string).utf8)
    #expect(try JSONValue(parsing: text).string.map { Array($0.utf8) } == Array(string.utf8))
    let byFoundation = try JSONSerialization.jsonObject(with: Data(text), options: .fragmentsAllowed) as? String
    #expect(byFoundation.map { Array($0.utf8) } == Array(string.utf8))
  }

  @Test func onlyWhatMustBeIsEscaped() {
    #expect(JSONText.quoted("a/\"\\\u{8}\u{C}\n\r\t\u{1}\u{7F}é") == #""a/\"\\\b\f\n\r\t\u0001"# + "\u{7F}é\"")
  }
}
