import Files
import Foundation
import StrictJSON
import TestSupport
import Testing

@testable import CLIPModel

/// Against open_clip's tokenizer on the first 6,000 merges of its vocabulary (Tests/Reference/tokenizer_goldens.py).
@Suite struct TokenizerTests {
  private static let folder = Goldens.url("tokenizer")

  private struct Row {
    var text: String
    var tokens: [Int32]
    /// What fits into 77 tokens, where not all do.
    var context: [Int32]?
  }

  private func rows() throws -> [Row] {
    let file = Self.folder.appendingPathComponent("strings.json")
    let json = try JSONValue(parsing: SmallFile.bytes(of: file, limit: 1 << 24), file: file.path)
    let integers = { (value: JSONValue?) in value?.elements?.compactMap(\.integer).map(Int32.init) }
    return try #require(json.elements).map {
      Row(
        text: try #require($0["text"]?.string), tokens: try #require(integers($0["tokens"])),
        context: integers($0["context"]))
    }
  }

  @Test func tokensEqualTheReference() throws {
    let tokenizer = try CLIPTokenizer(huggingFaceFolder: Self.folder)
    let rows = try rows()
    #expect(rows.count >= 1_200)
    let start = tokenizer.startToken
    let end = tokenizer.endToken
    for row in rows {
      let tokens = tokenizer.tokens(row.text)
      #expect(tokens == [start] + row.tokens + [end], "\(row.text.debugDescription.prefix(200))")
    }
  }

  @Test func longTextsAreCutAsInTheReferenceAndKeepTheEndToken() throws {
    let tokenizer = try CLIPTokenizer(huggingFaceFolder: Self.folder)
    let long = try rows().filter { $0.context != nil }
    #expect(long.count > 5)
    for row in long { #expect(tokenizer.encode(row.text, contextLength: 77) == row.context) }
    #expect(tokenizer.encode("a photo", contextLength: 2) == [tokenizer.startToken, tokenizer.endToken])
    #expect(tokenizer.encode("a photo", contextLength: 77) == tokenizer.tokens("a photo"))
  }

  /// References that are decoded after composition stay decomposed, and Swift finds the two strings equal.
  @Test func theCacheDoesNotConfuseTextsThatDifferInNormalisation() throws {
    let tokenizer = try CLIPTokenizer(huggingFaceFolder: Self.folder)
    let composed = tokenizer.tokens("<caf&#xE9;")
    let decomposed = tokenizer.tokens("<cafe&#x301;")
    #expect(composed != decomposed)
    let other = try CLIPTokenizer(huggingFaceFolder: Self.folder)
    #expect(other.tokens("<cafe&#x301;") == decomposed)
    #expect(other.tokens("<caf&#xE9;") == composed)
  }

  @Test func manyThreadsGetTheSameTokens() async throws {
    let tokenizer = try CLIPTokenizer(huggingFaceFolder: Self.folder)
    let rows = try rows().prefix(300)
    await withTaskGroup(of: Bool.self) { group in
      for _ in 0..<4 {
        group.addTask { rows.allSatisfy { Array(tokenizer.tokens($0.text).dropFirst().dropLast()) == $0.tokens } }
      }
      for await agrees in group { #expect(agrees) }
    }
  }

  @Test(arguments: ["\u{AC00}\u{11A8}", "\u{1100}\u{1161}\u{11A8}", "\u{AC01}"])
  func hangulIsComposed(text: String) {
    #expect(TextCleaning.clean(text) == ["\u{AC01}"])
  }

  @Test func tokenizerJSONInBothFormsEqualsTheTwoFiles() throws {
    let two = try CLIPTokenizer(huggingFaceFolder: Self.folder)
    let vocabulary = try String(contentsOf: Self.folder.appendingPathComponent("vocab.json"), encoding: .utf8)
    let merges = try String(contentsOf: Self.folder.appendingPathComponent("merges.txt"), encoding: .utf8)
      .split(separator: "\n").dropFirst().map { $0.split(separator: " ").map { escaped(String($0)) } }
    let forms = [merges.map { "\"\($0[0]) \($0[1])\"" }, merges.map { "[\"\($0[0])\", \"\($0[1])\"]" }]
    let added = #"[{"id": \#(two.endToken), "content": "<|endoftext|>", "special": true}]"#
    for form in forms {
      let model = #"{"type": "BPE", "vocab": \#(vocabulary), "merges": [\#(form.joined(separator: ","))]}"#
      let folder = try FormatFolder(["tokenizer.json": #"{"added_tokens": \#(added), "model": \#(model)}"#])
      let one = try CLIPTokenizer(huggingFaceFolder: folder.url)
      #expect(one.vocabularySize == two.vocabularySize)
      for row in try rows().prefix(200) { #expect(one.tokens(row.text) == two.tokens(row.text)) }
    }
  }

  private func escaped(_ text: String) -> String {
    text.replacingOccurrences(of: "\\", with: "\\\\").replacingOccurrences(of: "\"", with: "\\\"")
  }
}
