import CLIPModel
import Configuration
import Diagnostics
import SkipTuning

/// What is trained, and what is skipped.
struct MethodSettings: Sendable {
  var kind: MethodKind
  /// First trained block; 0 for full fine-tuning.
  var startLayer: Int
  /// Whether embeddings are trained too.
  var trainsEmbeddings: Bool
  /// Of methods without CSkip: settings that keep all classes.
  var classSkip: ClassSkip.Settings
  /// Draws the mask; nil for the run's seed.
  var maskSeed: Int?
  /// Entries of 0 and 1 over rank positions that replace the drawn mask.
  var mask: [Bool]?
  var prompt: PromptSettings
  var adapter: AdapterSettings

  init(_ reader: SettingsReader) throws {
    kind = try reader.choice("kind", default: .skipTuning, "what is trained, and how; zero-shot trains nothing")
    startLayer = try reader.integer(
      "start_layer", default: 6, in: 0...,
      "skip-tuning: first trained block of both encoders (omega); the number of blocks trains only the heads")
    trainsEmbeddings = try reader.boolean(
      "train_embeddings", default: false,
      "skip-tuning: whether embeddings are trained, too, which needs start_layer 0; full always trains them")
    try reader.require(
      kind != .skipTuning || !trainsEmbeddings || startLayer == 0, about: "train_embeddings",
      "needs method.start_layer 0: what comes before a frozen block is frozen",
      remedy: "set method.start_layer: 0, or leave train_embeddings out")
    (classSkip, maskSeed, mask) = try reader.section(
      "class_skip", "CSkip: the classes that a batch of skip-tuning trains against", Self.classSkip)
    prompt = try reader.section("prompt", "the learned context of prompt-tuning", PromptSettings.init)
    adapter = try reader.section("adapter", "the bottleneck of adapter", AdapterSettings.init)
    guard kind != .skipTuning else { return }
    (classSkip, maskSeed, mask) = (ClassSkip.Settings(ratio: 1), nil, nil)
    if kind == .full { (startLayer, trainsEmbeddings) = (0, true) }
  }

  private static func classSkip(_ reader: SettingsReader) throws -> (ClassSkip.Settings, seed: Int?, mask: [Bool]?) {
    var settings = ClassSkip.Settings()
    settings.ratio = try reader.number(
      "ratio", default: settings.ratio, in: .above(0),
      "share of the classes always kept (r), or above 1 their number; 1 keeps all classes")
    settings.cap = try reader.integer("cap", default: settings.cap, in: 1..., "most classes that are always kept")
    settings.lambda = try reader.number(
      "lambda", default: settings.lambda, in: .above(0),
      "how slowly the chance of keeping a class falls with its rank")
    settings.redraw = try reader.choice(
      "redraw", default: settings.redraw, "when the mask over rank positions is drawn")
    let seed = try reader.optionalInteger(
      "seed", in: 0...Int(UInt32.max), "draws the mask; default: the run's seed")
    let mask = try reader.integers(
      "mask", default: [], in: 0...1,
      "mask over rank positions, 1 for kept, instead of a drawn one; for comparing runs")
    return (settings, seed, mask.isEmpty ? nil : mask.map { $0 == 1 })
  }

  /// How far the image encoder is the same before and after training, as a model's tests may know it.
  var frozenStage: ImageStage {
    switch kind {
    case .skipTuning: trainsEmbeddings ? .pixels : .block(startLayer)
    case .full: .pixels
    case .promptTuning, .adapter, .linearProbe, .zeroShot: .projected
    }
  }

  /// Whether the start layer is of this method.
  var usesStartLayer: Bool { kind.tunesModel }
}

/// The learned context of prompt tuning.
struct PromptSettings: Sendable {
  var contextLength: Int
  var contextWords: String?

  init(_ reader: SettingsReader) throws {
    contextLength = try reader.integer(
      "context_length", default: 16, in: 1...1024, "vectors before the class name, random at first (M)")
    contextWords = try reader.optionalString(
      "context_words", example: "a photo of a", "words whose tokens' embeddings the vectors are at first, instead")
  }
}

/// The bottleneck of a feature adapter.
struct AdapterSettings: Sendable {
  var reduction: Int
  var ratio: Double

  init(_ reader: SettingsReader) throws {
    reduction = try reader.integer(
      "reduction", default: 4, in: 1...1024, "how many times narrower than the features the bottleneck is")
    ratio = try reader.number(
      "ratio", default: 0.2, in: .above(0, through: 1), "how much of a feature is the adapter's; the rest is CLIP's")
  }
}

extension MethodSettings {
  /// The method, for a task of so many classes to train on; nil where nothing is trained.
  ///
  /// Throws `Failure(.usage)` where it does not go with the task or the model.
  func makeMethod(classCount: Int, _ tokenizer: CLIPTokenizer, seed: UInt64, task: Task) throws
    -> (any TrainingMethod)?
  {
    switch kind {
    case .zeroShot: return nil
    case .skipTuning where !trainsEmbeddings: return SkipTuningMethod(startLayer: startLayer)
    case .skipTuning, .full: return WholeEncoderTuning(kind: kind, skipsClasses: kind == .skipTuning)
    case .promptTuning:
      let words = try prompt.words(tokenizer)
      return PromptTuning(
        length: words?.count ?? prompt.contextLength, start: words.map { .words($0) } ?? .random(seed: seed))
    case .adapter: return AdapterTuning(reduction: adapter.reduction, ratio: adapter.ratio, seed: seed)
    case .linearProbe:
      guard task == .allClasses else {
        throw Failure(
          .usage, at: "method.kind",
          "a linear probe knows no classes but those it is trained on, \(task.rawValue) tests others",
          remedy: "set task: all-classes")
      }
      return LinearProbing(classCount: classCount)
    }
  }
}

extension PromptSettings {
  /// The tokens of the words that the context begins with.
  fileprivate func words(_ tokenizer: CLIPTokenizer) throws -> [Int32]? {
    guard let contextWords else { return nil }
    let tokens = Array(tokenizer.tokens(contextWords).dropFirst().dropLast())
    guard !tokens.isEmpty else {
      throw Failure(
        .usage, at: "method.prompt.context_words", "there are no words in \"\(contextWords)\"",
        remedy: "write for example \"a photo of a\", or leave them out for a random context")
    }
    return tokens
  }
}
