import Diagnostics
import Files
import Foundation
import StrictJSON

/// The tokens of a byte-pair encoding and the merges that build them, by token number.
struct BytePairVocabulary: Sendable {
  /// Two neighbouring tokens.
  struct Pair: Hashable, Sendable {
    var left: Int32
    var right: Int32
  }

  /// What a pair becomes; pairs of lower rank are merged first.
  struct Merge: Sendable {
    var rank: Int32
    var token: Int32
  }

  private(set) var merges: [Pair: Merge] = [:]
  /// Token of each byte inside a word.
  private(set) var innerBytes: [Int32] = []
  /// Token of each byte at the end of a word.
  private(set) var finalBytes: [Int32] = []
  private(set) var startToken: Int32 = 0
  private(set) var endToken: Int32 = 0
  private(set) var count = 0

  static let startSpelling = "<|startoftext|>"
  static let endSpelling = "<|endoftext|>"
  static let wordEnd = "</w>"
  static let largestFile = 64 << 20

  /// A merge as written, with the place to name when it is wrong.
  struct WrittenMerge {
    var left: String
    var right: String
    var place: String
  }

  /// Reads `vocab.json` and `merges.txt`, or `tokenizer.json` when one of them is missing.
  init(huggingFaceFolder folder: URL) throws {
    let vocabulary = folder.appendingPathComponent("vocab.json")
    let merges = folder.appendingPathComponent("merges.txt")
    let combined = folder.appendingPathComponent("tokenizer.json")
    let exists = { (url: URL) in FileManager.default.fileExists(atPath: url.path) }
    if exists(vocabulary), exists(merges) {
      let json = try Self.json(of: vocabulary)
      try self.init(Self.tokens(json, in: vocabulary), Self.writtenMerges(fromLinesOf: merges), place: vocabulary.path)
    } else if exists(combined) {
      let json = try Self.json(of: combined)
      try self.init(
        Self.tokensWithAdded(json, in: combined), Self.writtenMerges(json["model"]?["merges"], in: combined),
        place: combined.path)
    } else {
      throw Failure(
        .missingInput, at: folder.path, "has no tokenizer",
        remedy: "put vocab.json and merges.txt, or tokenizer.json, beside the weights")
    }
  }

  init(_ tokens: [String: Int32], _ written: [WrittenMerge], place: String) throws {
    func token(_ spelling: String) throws -> Int32 {
      if let token = tokens[spelling] { return token }
      throw Failure(
        .badData, at: place, "lacks the token \(quoted(spelling))", remedy: "use the files that belong to the weights")
    }
    try Self.checkNumbers(tokens, place: place)
    count = tokens.count
    startToken = try token(Self.startSpelling)
    endToken = try token(Self.endSpelling)
    innerBytes = try Self.byteSpellings.map { try token($0) }
    finalBytes = try Self.byteSpellings.map { try token($0 + Self.wordEnd) }
    merges.reserveCapacity(written.count)
    for (rank, merge) in written.enumerated() {
      guard let left = tokens[merge.left], let right = tokens[merge.right],
        let result = tokens[merge.left + merge.right]
      else {
        let unknown = [merge.left, merge.right, merge.left + merge.right].first { tokens[$0] == nil }!
        throw Failure(.badData, at: merge.place, "merge of a token that is not in the vocabulary: \(quoted(unknown))")
      }
      guard merges.updateValue(Merge(rank: Int32(rank), token: result), forKey: Pair(left: left, right: right)) == nil
      else { throw Failure(.badData, at: merge.place, "the merge occurs a second time") }
    }
  }

  /// Numbers must be those from 0 up without gaps, since they index the rows of the token embedding.
  private static func checkNumbers(_ tokens: [String: Int32], place: String) throws {
    var owners = [String?](repeating: nil, count: tokens.count)
    for (spelling, number) in tokens {
      guard owners.indices.contains(Int(number)) else {
        throw Failure(
          .badData, at: place,
          "token \(quoted(spelling)) has number \(number); \(tokens.count) tokens must be "
            + "numbered from 0 to \(tokens.count - 1)")
      }
      if let other = owners[Int(number)] {
        let pair = [spelling, other].sorted().map(quoted).joined(separator: " and ")
        throw Failure(.badData, at: place, "tokens \(pair) both have number \(number)")
      }
      owners[Int(number)] = spelling
    }
  }

  /// How each byte is written in the vocabulary: as itself where that is a visible Latin-1 character, otherwise as one of
  /// the characters from U+0100 on.
  static let byteSpellings: [String] = {
    var next: UInt32 = 0x100
    return (0...255 as ClosedRange<UInt32>).map { byte in
      switch byte {
      case 0x21...0x7E, 0xA1...0xAC, 0xAE...0xFF: return String(Unicode.Scalar(byte)!)
      default:
        defer { next += 1 }
        return String(Unicode.Scalar(next)!)
      }
    }
  }()
}

// MARK: - Files

extension BytePairVocabulary {
  private static func json(of file: URL) throws -> JSONValue {
    try JSONValue(parsing: SmallFile.bytes(of: file, limit: largestFile), file: file.path)
  }

  private static func tokens(_ json: JSONValue?, in file: URL) throws -> [String: Int32] {
    guard let members = json?.members else {
      throw Failure(.badData, at: file.path, "has no vocabulary: an object that gives each token its number")
    }
    var tokens: [String: Int32] = [:]
    tokens.reserveCapacity(members.count)
    for member in members { tokens[member.key] = try number(member.value, of: member.key, in: file) }
    return tokens
  }

  private static func number(_ value: JSONValue?, of spelling: String, in file: URL) throws -> Int32 {
    guard let number = value?.integer.flatMap(Int32.init(exactly:)), number >= 0 else {
      throw Failure(.badData, at: file.path, "token \(quoted(spelling)) has no number from 0 up")
    }
    return number
  }

  /// `model.vocab` of a tokenizer.json and its `added_tokens`, which may repeat tokens of the vocabulary.
  private static func tokensWithAdded(_ json: JSONValue, in file: URL) throws -> [String: Int32] {
    var tokens = try tokens(json["model"]?["vocab"], in: file)
    for added in json["added_tokens"]?.elements ?? [] {
      guard let spelling = added["content"]?.string else {
        throw Failure(.badData, at: file.path, "an entry of added_tokens has no content")
      }
      let number = try number(added["id"], of: spelling, in: file)
      guard tokens.updateValue(number, forKey: spelling) ?? number == number else {
        throw Failure(.badData, at: file.path, "token \(quoted(spelling)) has two different numbers")
      }
    }
    return tokens
  }

  /// Lines of two tokens with a space between, best first, after an optional `#version` line.
  private static func writtenMerges(fromLinesOf file: URL) throws -> [WrittenMerge] {
    try writtenMerges(SmallFile.bytes(of: file, limit: largestFile), of: file) { $0.hasPrefix("#version") }
  }

  /// As many merges of a file's lines as there are, or `limit`.
  static func writtenMerges(
    _ bytes: [UInt8], of file: URL, limit: Int = .max, isHeader: (String) -> Bool
  ) throws -> [WrittenMerge] {
    var lines = bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)[...]
    while let last = lines.last, last.allSatisfy({ $0 == 0x20 || $0 == 0x0D }) { lines.removeLast() }
    var written: [WrittenMerge] = []
    written.reserveCapacity(lines.count)
    for (index, line) in lines.enumerated() where written.count < limit {
      let text = String(decoding: line.last == 0x0D ? line.dropLast() : line, as: UTF8.self)
      if index == 0, isHeader(text) { continue }
      written.append(try writtenMerge(text, place: "\(file.path):\(index + 1)"))
    }
    return written
  }

  /// Merges of a tokenizer.json: `"a b"` as older files have them, or `["a", "b"]`.
  private static func writtenMerges(_ json: JSONValue?, in file: URL) throws -> [WrittenMerge] {
    guard let elements = json?.elements else { throw Failure(.badData, at: file.path, "has no list of merges") }
    return try elements.enumerated().map { index, element in
      let place = "\(file.path): merge \(index + 1)"
      if let text = element.string { return try writtenMerge(text, place: place) }
      let parts = element.elements?.compactMap(\.string) ?? []
      guard parts.count == 2, element.elements?.count == 2 else { throw notAPair(place) }
      return WrittenMerge(left: parts[0], right: parts[1], place: place)
    }
  }

  private static func writtenMerge(_ text: String, place: String) throws -> WrittenMerge {
    let parts = text.utf8.split(separator: UInt8(ascii: " "), omittingEmptySubsequences: false)
    guard parts.count == 2, !parts[0].isEmpty, !parts[1].isEmpty else { throw notAPair(place) }
    return WrittenMerge(left: String(parts[0])!, right: String(parts[1])!, place: place)
  }

  private static func notAPair(_ place: String) -> Failure {
    Failure(.badData, at: place, "a merge must be two tokens with one space between")
  }
}
