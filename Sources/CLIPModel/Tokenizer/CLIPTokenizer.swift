import Foundation

/// CLIP's byte-pair tokenizer: cleans a text, splits it into words, and writes each word with tokens of the vocabulary.
///
/// The numbers are those of OpenAI's published tokenizer (`SimpleTokenizer` with ftfy installed, also in open_clip), with
/// the one exception that `TextCleaning` names. A text that spells out a special token, `<|endoftext|>`, gets that token,
/// as there.
public final class CLIPTokenizer: Sendable {
  private let vocabulary: BytePairVocabulary
  private let cache = WordCache()
  private let specials: [(spelling: [Unicode.Scalar], token: Int32)]

  /// Reads `vocab.json` and `merges.txt` of a folder in the form of Hugging Face, or `tokenizer.json` when one of them is
  /// missing.
  ///
  /// Throws `.missingInput` when there is neither, `.badData` (with file, and line for merges) when token numbers have
  /// gaps or repeat, a special token or a byte has no token, or a merge names an unknown token.
  public convenience init(huggingFaceFolder: URL) throws {
    self.init(try BytePairVocabulary(huggingFaceFolder: huggingFaceFolder))
  }

  /// Reads the tokenizer of a model: files in the form of Hugging Face, or the list of merges that OpenAI's and open_clip's
  /// code carries, packed or not; beside the weights, or where the source's options say.
  ///
  /// Throws as `init(huggingFaceFolder:)`.
  public convenience init(_ source: ModelSource, _ configuration: CLIPConfiguration) throws {
    switch try TokenizerFiles(source) {
    case .huggingFace(let folder): try self.init(huggingFaceFolder: folder)
    case .merges(let file):
      self.init(try BytePairVocabulary(openAIMerges: file, vocabularySize: configuration.vocabularySize))
    }
  }

  private init(_ vocabulary: BytePairVocabulary) {
    self.vocabulary = vocabulary
    specials = [
      (Array(BytePairVocabulary.startSpelling.unicodeScalars), vocabulary.startToken),
      (Array(BytePairVocabulary.endSpelling.unicodeScalars), vocabulary.endToken),
    ]
  }

  /// The token before every text.
  public var startToken: Int32 { vocabulary.startToken }

  /// The token after every text; the text feature is read at its position.
  public var endToken: Int32 { vocabulary.endToken }

  /// Number of tokens; all are below it.
  public var vocabularySize: Int { vocabulary.count }

  /// Start token, the tokens of the text, end token, however many they are.
  public func tokens(_ text: String) -> [Int32] {
    let scalars = TextCleaning.clean(text)
    var result = [startToken]
    var position = 0
    while position < scalars.count {
      let rest = scalars[position...]
      if let (length, token) = special(at: rest) {
        if let token { result.append(token) } else { appendTokens(ofWord: rest.prefix(length), to: &result) }
        position += length
      } else {
        let length = WordSplitting.wordLength(at: rest)
        if length > 0 { appendTokens(ofWord: rest.prefix(length), to: &result) }
        position += max(1, length)
      }
    }
    result.append(endToken)
    return result
  }

  /// As `tokens`, cut to `contextLength` tokens of which the last is the end token, and not padded.
  ///
  /// Traps when `contextLength` has no room for start and end.
  public func encode(_ text: String, contextLength: Int) -> [Int32] {
    precondition(contextLength >= 2, "a context of \(contextLength) tokens has no room for start and end")
    let tokens = tokens(text)
    return tokens.count <= contextLength ? tokens : tokens.prefix(contextLength - 1) + [endToken]
  }

  /// A special token spelled out at the start of `text`: its length and number.
  ///
  /// The number is nil for a spelling with a long s, which the reference's case-insensitive match takes for one word but
  /// does not find in its table.
  private func special(at text: ArraySlice<Unicode.Scalar>) -> (length: Int, token: Int32?)? {
    guard text.first == "<" else { return nil }
    for (spelling, token) in specials where text.count >= spelling.count {
      let candidate = text.prefix(spelling.count)
      if candidate.elementsEqual(spelling) { return (spelling.count, token) }
      if candidate.elementsEqual(spelling, by: { $0 == $1 || WordSplitting.isLongS($0) && $1 == "s" }) {
        return (spelling.count, nil)
      }
    }
    return nil
  }
}

// MARK: - Merging

extension CLIPTokenizer {
  private func appendTokens(ofWord word: ArraySlice<Unicode.Scalar>, to result: inout [Int32]) {
    let bytes = word.flatMap { Array(UTF8.encode($0)!) }
    if let tokens = cache.tokens(of: bytes) { return result.append(contentsOf: tokens) }
    let tokens = merged(bytes)
    cache.store(tokens, of: bytes)
    result.append(contentsOf: tokens)
  }

  /// Merges neighbours, the pair of lowest rank first and everywhere it occurs, until no pair is left to merge.
  private func merged(_ word: [UInt8]) -> [Int32] {
    var tokens = word.map { vocabulary.innerBytes[Int($0)] }
    tokens[tokens.count - 1] = vocabulary.finalBytes[Int(word.last!)]
    while let (pair, merge) = bestPair(in: tokens) {
      var kept = 0
      var position = 0
      while position < tokens.count {
        let isPair =
          position + 1 < tokens.count && tokens[position] == pair.left && tokens[position + 1] == pair.right
        tokens[kept] = isPair ? merge.token : tokens[position]
        kept += 1
        position += isPair ? 2 : 1
      }
      tokens.removeLast(tokens.count - kept)
    }
    return tokens
  }

  private func bestPair(in tokens: [Int32]) -> (BytePairVocabulary.Pair, BytePairVocabulary.Merge)? {
    var best: (BytePairVocabulary.Pair, BytePairVocabulary.Merge)?
    for position in 1..<max(1, tokens.count) {
      let pair = BytePairVocabulary.Pair(left: tokens[position - 1], right: tokens[position])
      if let merge = vocabulary.merges[pair], merge.rank < best?.1.rank ?? .max { best = (pair, merge) }
    }
    return best
  }
}

/// Tokens of words already seen.
///
/// Keys are bytes, because Swift finds strings equal that differ in normalisation.
private final class WordCache: @unchecked Sendable {
  private let lock = NSLock()
  private var entries: [[UInt8]: [Int32]] = [:]
  private static let mostEntries = 1 << 16
  private static let longestWord = 64

  func tokens(of word: [UInt8]) -> [Int32]? {
    guard word.count <= Self.longestWord else { return nil }
    return lock.withLock { entries[word] }
  }

  func store(_ tokens: [Int32], of word: [UInt8]) {
    guard word.count <= Self.longestWord else { return }
    lock.withLock {
      if entries.count >= Self.mostEntries { entries.removeAll(keepingCapacity: true) }
      entries[word] = tokens
    }
  }
}
