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
  }

  private static func scenario(_ workload: CheckedFields, startLayer: Int) throws -> Scenario {
    let count = try workload.integer("classes", from: 1)
    let lengths = try workload.integer("prompt_tokens", from: count)
    let classes = PromptSet(
      count: count, lengths: lengths, rows: try workload.integer("prompt_rows", from: 1, to: lengths))
    var scenario = Scenario(
      try configuration(workload.object("model")), .skipTuning(startLayer: startLayer, .init()), classes: classes,
      batch: .global(try workload.integer("global_batch", from: 1)),
      epochImages: try workload.integer("epoch_images", from: 1),
      ranksPerNode: try workload.integer("ranks_per_node", from: 1),
      exchange: try exchange(workload.object("exchange")))
    scenario.keptClasses = Int(try workload.positive("mean_kept_classes").rounded())
    return scenario
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
