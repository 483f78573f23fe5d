import Diagnostics
import Files
import Foundation
import StrictJSON
import ZipFiles

/// Where the tokenizer of a model lies, and in which form.
enum TokenizerFiles: Equatable {
  /// A folder with `vocab.json` and `merges.txt`, or `tokenizer.json`.
  case huggingFace(URL)
  /// OpenAI's list of merges.
  case merges(URL)

  private static let mergeNames = ["bpe_simple_vocab_16e6.txt.gz", "bpe_simple_vocab_16e6.txt"]

  /// What lies beside the weights, or where the source's options say.
  ///
  /// Throws `.missingInput` where there is no tokenizer.
  init(_ source: ModelSource) throws {
    let place = source.options.tokenizer ?? source.folder
    var isFolder: ObjCBool = false
    guard FileManager.default.fileExists(atPath: place.path, isDirectory: &isFolder) else {
      throw Failure(.missingInput, at: place.path, "there is no such tokenizer", remedy: "check model.tokenizer")
    }
    guard isFolder.boolValue else {
      self =
        ["json"].contains(place.pathExtension) || place.lastPathComponent == "merges.txt"
        ? .huggingFace(place.deletingLastPathComponent()) : .merges(place)
      return
    }
    func exists(_ name: String) -> Bool {
      FileManager.default.fileExists(atPath: place.appendingPathComponent(name).path)
    }
    if exists("tokenizer.json") || (exists("vocab.json") && exists("merges.txt")) {
      self = .huggingFace(place)
    } else if let name = Self.mergeNames.first(where: exists) {
      self = .merges(place.appendingPathComponent(name))
    } else {
      throw Failure(
        .missingInput, at: place.path, "has no tokenizer",
        remedy: "put vocab.json and merges.txt, tokenizer.json, or OpenAI's bpe_simple_vocab_16e6.txt.gz beside the "
          + "weights, or name one with model.tokenizer (--tokenizer)")
    }
  }

  /// The files of Hugging Face's form that a model's folder needs, by name.
  func huggingFaceContents(vocabularySize: Int) throws -> [String: Data] {
    switch self {
    case .huggingFace(let folder): return try HuggingFaceFolder.tokenizerFiles(in: folder)
    case .merges(let file):
      let (tokens, merges) = try BytePairVocabulary.openAITokens(file, vocabularySize: vocabularySize)
      let members = tokens.enumerated().map { JSONMember($1, .integer($0)) }
      let lines = ["#version: 0.2"] + merges.map { "\($0.left) \($0.right)" }
      return [
        "vocab.json": Data((JSONText.pretty(.object(members)) + "\n").utf8),
        "merges.txt": Data((lines.joined(separator: "\n") + "\n").utf8),
      ]
    }
  }
}

extension BytePairVocabulary {
  /// Merges that OpenAI's tokenizer takes of its list, which is longer.
  private static let openAIMergeCount = 48_894
  private static let specialCount = 2

  /// Reads OpenAI's list of merges, packed or not: bytes, bytes at the end of a word, what each merge gives, and the two
  /// special tokens are numbered in that order.
  init(openAIMerges file: URL, vocabularySize: Int) throws {
    let (tokens, merges) = try Self.openAITokens(file, vocabularySize: vocabularySize)
    var numbers: [String: Int32] = [:]
    for (number, token) in tokens.enumerated() {
      guard numbers.updateValue(Int32(number), forKey: token) == nil else {
        throw Failure(.badData, at: file.path, "two merges give the token \(quoted(token))")
      }
    }
    try self.init(numbers, merges, place: file.path)
  }

  /// All tokens by number, and the merges.
  fileprivate static func openAITokens(
    _ file: URL, vocabularySize: Int
  ) throws -> (tokens: [String], merges: [WrittenMerge]) {
    var bytes = try SmallFile.bytes(of: file, limit: largestFile)
    if Gzip.isCompressed(bytes) { bytes = try Gzip.unpacked(bytes, limit: largestFile, name: file.path) }
    let single = orderedByteSpellings + orderedByteSpellings.map { $0 + wordEnd }
    let count = min(openAIMergeCount, vocabularySize - single.count - specialCount)
    guard count >= 0 else {
      throw Failure(
        .badData, at: file.path, "the model's embedding has \(vocabularySize) tokens, too few for this tokenizer",
        remedy: "the tokenizer files must belong to the weights")
    }
    let merges = try writtenMerges(bytes, of: file, limit: count) { $0.contains("#version") }
    return (single + merges.map { $0.left + $0.right } + [startSpelling, endSpelling], merges)
  }

  /// Spellings of all bytes, those that are written as themselves first.
  private static var orderedByteSpellings: [String] {
    byteSpellings.sorted { $0.unicodeScalars.first! < $1.unicodeScalars.first! }
  }
}
