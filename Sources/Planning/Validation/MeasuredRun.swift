import CLIPModel
import Diagnostics
import Files
import Foundation
import StrictJSON

/// A finished run as its results.json tells of it: what it worked on, and how long its steps took.
public struct MeasuredRun: Sendable {
  /// Which file it was read from.
  public let file: String
  /// What was trained, and how.
  public let scenario: Scenario
  /// Processes, and threads of each.
  public let ranks, threads: Int
  /// Median seconds of a step.
  public let stepSeconds: Double

  private static let largestFile = 16 << 20

  /// Reads results.json of a run.
  ///
  /// Throws `.missingInput` where there is none, `.badData` for anything else and for a run without steps of Skip Tuning.
  public init(contentsOf url: URL) throws {
    let bytes = try SmallFile.bytes(of: url, limit: Self.largestFile, what: "the results")
    let json = try JSONValue(parsing: bytes, file: url.path)
    let fields = CheckedFields(json, file: url.path)
    guard json["training"] == nil || json["workload"] != nil else {
      throw Failure(
        .badData, at: url.path, "the run took no steps of Skip Tuning, which alone are forecast",
        remedy: "give results of method.kind skip-tuning without method.train_embeddings")
    }
    let workload = try fields.object("workload")
    file = url.path
    ranks = try fields.integer("ranks", from: 1)
    threads = try fields.integer("threads_per_rank", from: 1)
    stepSeconds = try fields.object("training").positive("median_step_seconds")
    scenario = try Self.scenario(workload, startLayer: fields.integer("start_layer", from: 0, to: 1024))
    guard scenario.startLayer <= min(scenario.configuration.vision.depth, scenario.configuration.text.depth) else {
      throw fields.failure("start_layer", "lies beyond the model's blocks")
    }
    guard scenario.globalBatch(ranks: ranks) >= ranks else {
      throw workload.failure("global_batch", "must be at least the number of ranks")
    }
    try Self.judge(scenario, ranks: ranks, workload)
  }

  private static func scenario(_ workload: CheckedFields, startLayer: Int) throws -> Scenario {
    let count = try workload.integer("classes", from: 1)
    let lengths = try workload.integer("prompt_tokens", from: count)
    // What prompts share is no longer than they are.
    let classes = PromptSet(
      count: count, lengths: lengths,
      rows: try workload.integer("prompt_rows", from: (lengths - 1) / count + 1, to: lengths)
    )
    var scenario = Scenario(
      try configuration(workload.object("model")), .skipTuning(startLayer: startLayer, .init()), classes: classes,
      batch: .global(try workload.integer("global_batch", from: 1)),
      epochImages: try workload.integer("epoch_images", from: 1),
      ranksPerNode: try workload.integer("ranks_per_node", from: 1),
      exchange: try exchange(workload.object("exchange")))
    let kept = try workload.positive("mean_kept_classes")
    guard kept <= Double(count) else { throw workload.failure("mean_kept_classes", "must be at most classes") }
    scenario.keptClasses = Int(kept.rounded())
    return scenario
  }

  /// Refuses sizes that each may be, but whose work could not be counted together.
  private static func judge(_ scenario: Scenario, ranks: Int, _ workload: CheckedFields) throws {
    let (configuration, classes) = (scenario.configuration, Double(scenario.classes.count))
    let (tokens, context) = (Double(configuration.tokensPerImage), Double(configuration.contextLength))
    guard scenario.classes.length <= context else {
      throw workload.failure("prompt_tokens", "must be at most context_length for each class")
    }
    let images = Double(scenario.globalBatch(ranks: ranks))
    // Above all counts of operations, bytes and parameters of a step: the largest sum has some 50 terms.
    var work = 64 * (images + classes) * Double(configuration.embeddingWidth) * (classes + 4)
    for (tower, rows, length) in [
      (configuration.vision, images * tokens, tokens), (configuration.text, classes * context, context),
    ] {
      guard tower.headCount <= tower.width else { throw workload.failure("model", "has more heads than widths") }
      let (width, mlpWidth) = (Double(tower.width), Double(tower.mlpWidth))
      work += 64 * (rows + Double(ranks)) * width * (width + mlpWidth + length) * Double(tower.depth)
      work += 64 * Double(scenario.epochImages) * length * width
    }
    guard work < 0x1p61 else { throw workload.failure("model", "and its batches are larger than any") }
  }

  private static func exchange(_ fields: CheckedFields) throws -> Scenario.Exchange {
    var exchange = Scenario.Exchange()
    exchange.bytesPerElement = try fields.integer("bytes_per_element", from: 2, to: 4)
    exchange.overlaps = try fields.flag("overlaps")
    exchange.isSharded = try fields.flag("is_sharded")
    exchange.isClassParallel = try fields.flag("is_class_parallel")
    exchange.isTwoLevel = try fields.flag("is_two_level")
    exchange.bucketBytes = try fields.integer("bucket_bytes", from: 1)
    exchange.localSteps = try fields.integer("local_steps", from: 1)
    return exchange
  }

  private static func configuration(_ fields: CheckedFields) throws -> CLIPConfiguration {
    func tower(_ key: String) throws -> CLIPConfiguration.Tower {
      let tower = try fields.object(key)
      return CLIPConfiguration.Tower(
        depth: try tower.integer("depth", from: 1, to: 1024), width: try tower.integer("width", from: 1, to: 1 << 16),
        headCount: try tower.integer("head_count", from: 1, to: 1024),
        mlpWidth: try tower.integer("mlp_width", from: 1, to: 1 << 18))
    }
    let imageSize = try fields.integer("image_size", from: 1, to: 8192)
    return CLIPConfiguration(
      vision: try tower("vision"), imageSize: imageSize,
      patchSize: try fields.integer("patch_size", from: 1, to: imageSize), text: try tower("text"),
      contextLength: try fields.integer("context_length", from: 2, to: 1 << 16),
      vocabularySize: try fields.integer("vocabulary_size", from: 2, to: 1 << 24),
      embeddingWidth: try fields.integer("embedding_width", from: 1, to: 1 << 16), activation: .quickGELU,
      eosTokenID: nil)
  }
}
