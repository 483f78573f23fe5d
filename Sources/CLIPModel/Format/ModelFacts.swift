import Diagnostics
import Files
import Foundation
import Safetensors
import TorchArchives

/// What the files of a pretrained model say of it.
public struct ModelFacts: Sendable {
  /// One thing that is known.
  public struct Fact: Sendable {
    /// Words with underlines between.
    public let key: String
    /// What is known.
    public let value: Value

    /// A fact.
    public init(key: String, value: Value) {
      self.key = key
      self.value = value
    }
  }

  /// A text or a number of things; `unknown` where the files do not tell.
  public enum Value: Sendable {
    case text(String)
    case count(Int)
    case unknown
  }

  /// In the order in which people want to see them.
  public let all: [Fact]
  /// What was assumed or is missing.
  public let notes: [String]

  /// Looks at all files of a model; the weights are read once, for the file's hash.
  ///
  /// Throws `Failure` for what is damaged or contradictory, and `.badData` where a file that is known by its hash is
  /// described with another activation than it was trained with. A missing tokenizer is a note.
  public init(_ weights: WeightsFile) throws {
    let (source, configuration) = (weights.source, weights.configuration)
    var notes = try weights.allNotes()
    let digest = try SHA256.hexadecimal(of: Descriptor.reading(source.weights.path))
    let published = PublishedWeights.of(digest: digest)
    try Self.judge(published, weights)
    let tokenizer = try Self.tokenizer(source, configuration, &notes)
    let preprocessing = try ImagePreprocessing(source, imageSize: configuration.imageSize)
    all =
      [
        Fact(key: "model", value: .text(source.name)), Fact(key: "weights", value: .text(source.weights.path)),
        Fact(key: "form", value: .text(Self.form(weights))),
        Fact(key: "published_as", value: published.map { Value.text($0.name) } ?? .unknown),
        Fact(key: "sha256", value: .text(digest)), Fact(key: "stored_as", value: .text(weights.storedTypes)),
      ] + Self.architecture(configuration) + [
        Fact(key: "tokenizer", value: tokenizer), Fact(key: "preprocessing", value: .text(Self.words(preprocessing))),
      ] + weights.layout.counts
    self.notes = notes
  }

  private static func architecture(_ configuration: CLIPConfiguration) -> [Fact] {
    let patches = "\(configuration.patchesPerImage) patches of \(configuration.patchSize)"
    return [
      Fact(key: "activation", value: .text(configuration.activation.rawValue)),
      Fact(key: "image_encoder", value: .text(words(configuration.vision))),
      Fact(key: "images", value: .text("\(configuration.imageSize) pixels, \(patches)")),
      Fact(key: "text_encoder", value: .text(words(configuration.text))),
      Fact(key: "context", value: .count(configuration.contextLength)),
      Fact(key: "vocabulary", value: .count(configuration.vocabularySize)),
      Fact(key: "embedding", value: .count(configuration.embeddingWidth)),
    ]
  }

  private static func judge(_ published: PublishedWeights?, _ weights: WeightsFile) throws {
    let activation = weights.configuration.activation
    guard let published, published.activation != activation else { return }
    throw Failure(
      .badData, at: weights.url.path,
      "this is \(published.name), which was trained with \(published.activation.rawValue), not \(activation.rawValue)",
      remedy: weights.source.configurationName.map { "correct it in \($0)" }
        ?? "leave model.activation (--activation) out")
  }

  private static func tokenizer(
    _ source: ModelSource, _ configuration: CLIPConfiguration, _ notes: inout [String]
  ) throws -> Value {
    do {
      let tokenizer = try CLIPTokenizer(source, configuration)
      try configuration.judge(tokenizer, place: source.name)
      let files = try TokenizerFiles(source)
      return .text("\(tokenizer.vocabularySize) tokens, end \(tokenizer.endToken), \(files.words)")
    } catch let failure as Failure where failure.status == .missingInput {
      notes.append("\(failure)")
      return .unknown
    }
  }

  private static func form(_ weights: WeightsFile) -> String {
    let file =
      switch weights.tensors {
      case let archive as TorchArchive where archive.kind == .torchScript: "TorchScript archive"
      case is TorchArchive: "PyTorch state dictionary"
      case is ShardedSafetensors: "safetensors in parts"
      default: "safetensors"
      }
    return "\(weights.source.form.rawValue), \(file)"
  }

  private static func words(_ tower: CLIPConfiguration.Tower) -> String {
    "\(tower.depth) blocks of width \(tower.width), \(tower.headCount) heads, MLP \(tower.mlpWidth)"
  }

  private static func words(_ preprocessing: ImagePreprocessing) -> String {
    func list(_ values: [Float]) -> String { values.map { "\($0)" }.joined(separator: " ") }
    return
      "shorter side \(preprocessing.resizeSize), crop \(preprocessing.cropSize), mean \(list(preprocessing.mean)), "
      + "deviation \(list(preprocessing.standardDeviation))"
  }
}

extension WeightsFile {
  /// Element types of the tensors, the most frequent first.
  fileprivate var storedTypes: String {
    let types = tensors.names.compactMap { tensors.elementType(of: $0) }.filter(\.isReadableAsFloat)
    let counts = types.reduce(into: [String: Int]()) { $0[$1.rawValue, default: 0] += 1 }
    return counts.sorted { ($1.value, $0.key) < ($0.value, $1.key) }.map(\.key).joined(separator: ", ")
  }
}

extension ParameterLayout {
  /// Parameters of each encoder, embeddings included, and of all.
  fileprivate var counts: [ModelFacts.Fact] {
    let image = trainedRange(of: .image, from: 0).upperBound
    let text = trainedRange(of: .text, from: 0).upperBound - image
    return [
      ModelFacts.Fact(key: "image_parameters", value: .count(image)),
      ModelFacts.Fact(key: "text_parameters", value: .count(text)),
      ModelFacts.Fact(key: "parameters", value: .count(count)),
    ]
  }
}

extension TokenizerFiles {
  fileprivate var words: String {
    switch self {
    case .huggingFace(let folder): "Hugging Face's files in \(folder.path)"
    case .merges(let file): "OpenAI's merges, \(file.path)"
    }
  }
}
