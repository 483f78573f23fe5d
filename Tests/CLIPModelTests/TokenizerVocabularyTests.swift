import Diagnostics
import Foundation
import Testing

@testable import CLIPModel

/// Wrong vocabularies end in failures that name the file and what is wrong in it.
@Suite struct TokenizerVocabularyTests {
  /// The smallest vocabulary: bytes, bytes at the end of a word, and some more tokens, numbered in this order.
  private static func tokens(_ more: [String]) -> [String] {
    BytePairVocabulary.byteSpellings + BytePairVocabulary.byteSpellings.map { $0 + "</w>" } + more
  }

  private static let specials = ["<|startoftext|>", "<|endoftext|>"]

  private static func json(_ tokens: [String]) -> String {
    let members = tokens.enumerated().map { number, token in
      let escaped = token.replacingOccurrences(of: "\\", with: "\\\\").replacingOccurrences(of: "\"", with: "\\\"")
      return "\"\(escaped)\":\(number)"
    }
    return "{\(members.joined(separator: ","))}"
  }

  private static let valid = json(tokens(["ab", "ab</w>"] + specials))

  private func failure(_ files: [String: String]) throws -> Failure {
    let folder = try FormatFolder(files)
    return try #require(throws: Failure.self) { try CLIPTokenizer(huggingFaceFolder: folder.url) }
  }

  @Test func aMinimalVocabularyWorks() throws {
    let folder = try FormatFolder(["vocab.json": Self.valid, "merges.txt": "#version: 0.2\r\na b\r\na b</w>\r\n\n"])
    let tokenizer = try CLIPTokenizer(huggingFaceFolder: folder.url)
    #expect(tokenizer.vocabularySize == 516)
    #expect(tokenizer.tokens("ABab AB") == [514, 512, 513, 513, 515])
  }

  @Test func mergesWithoutAVersionLineLoseNothing() throws {
    let folder = try FormatFolder(["vocab.json": Self.valid, "merges.txt": "a b</w>"])
    #expect(try CLIPTokenizer(huggingFaceFolder: folder.url).tokens("ab") == [514, 513, 515])
  }

  @Test(
    arguments: [
      (valid, "a b\na c\n", ["merges.txt:2", "\"ac\""]),
      (valid, "#version: 0.2\na b\nx\n", ["merges.txt:3", "two tokens with one space"]),
      (valid, "a b\n\na b</w>\n", ["merges.txt:2", "two tokens"]),
      (valid, "a  b\n", ["merges.txt:1", "two tokens"]),
      (valid, "a b c\n", ["merges.txt:1", "two tokens"]),
      (valid, "a b\na b\n", ["merges.txt:2", "a second time"]),
      (json(tokens(["<|startoftext|>"])), "", ["vocab.json", "lacks the token \"<|endoftext|>\""]),
      (json(["a"] + specials), "", ["vocab.json", "lacks the token"]),
      ("{\"a\":0,\"b\":0}", "", ["vocab.json", "\"a\" and \"b\" both have number 0"]),
      ("{\"a\":0,\"b\":2}", "", ["vocab.json", "\"b\" has number 2", "from 0 to 1"]),
      ("{\"a\":-1}", "", ["vocab.json", "\"a\" has no number"]),
      ("{\"a\":1.5}", "", ["vocab.json", "\"a\" has no number"]),
      ("{\"a\":99999999999}", "", ["vocab.json", "\"a\" has no number"]),
      ("[1]", "", ["vocab.json", "no vocabulary"]),
      ("{\"a\":0,\n\"a\":1}", "", ["vocab.json:2:1", "is given twice"]),
      ("{", "", ["vocab.json:1:2", "malformed JSON"]),
    ] as [(String, String, [String])])
  func wrongFilesAreNamed(vocabulary: String, merges: String, fragments: [String]) throws {
    let failure = try failure(["vocab.json": vocabulary, "merges.txt": merges])
    #expect(failure.status == .badData)
    for fragment in fragments { #expect(failure.description.contains(fragment), "\(failure)") }
  }

  @Test(
    arguments: [
      ("{}", "no vocabulary"),
      (#"{"model": {"vocab": \#(valid)}}"#, "no list of merges"),
      (#"{"model": {"vocab": \#(valid), "merges": [["a", "b"], ["a"]]}}"#, "merge 2: a merge must be two tokens"),
      (#"{"model": {"vocab": \#(valid), "merges": [["a", "b", 3]]}}"#, "merge 1: a merge must be two tokens"),
      (#"{"model": {"vocab": \#(valid), "merges": ["a c"]}}"#, "not in the vocabulary: \"ac\""),
      (#"{"added_tokens": [{"id": 1}], "model": {"vocab": \#(valid), "merges": []}}"#, "no content"),
      (
        #"{"added_tokens": [{"id": 1, "content": "<|endoftext|>"}], "model": {"vocab": \#(valid), "merges": []}}"#,
        "two different numbers"
      ),
    ] as [(String, String)])
  func wrongTokenizerJSONIsNamed(json: String, fragment: String) throws {
    let failure = try failure(["tokenizer.json": json])
    #expect(failure.status == .badData)
    #expect(failure.description.contains("tokenizer.json") && failure.description.contains(fragment), "\(failure)")
  }

  @Test func addedTokensExtendTheVocabulary() throws {
    let vocabulary = Self.json(Self.tokens([]))
    let added = Self.specials.enumerated().map { "{\"id\": \(512 + $0), \"content\": \"\($1)\"}" }
    let model = #"{"vocab": \#(vocabulary), "merges": []}"#
    let folder = try FormatFolder([
      "tokenizer.json": #"{"added_tokens": [\#(added.joined(separator: ","))], "model": \#(model)}"#
    ])
    let tokenizer = try CLIPTokenizer(huggingFaceFolder: folder.url)
    #expect(tokenizer.startToken == 512)
    #expect(tokenizer.endToken == 513)
  }

  @Test func aFolderWithoutTokenizerIsNamed() throws {
    for files in [[:], ["vocab.json": Self.valid], ["merges.txt": ""]] {
      let failure = try failure(files)
      #expect(failure.status == .missingInput)
      #expect(failure.description.contains("has no tokenizer"))
    }
  }
}
