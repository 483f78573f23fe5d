import CLIPModel
import Configuration
import Datasets
import Diagnostics
import Foundation
import Kernels
import Optimization

/// The CLIP that is adapted.
struct ModelSettings: Sendable {
  /// A path or a name.
  var path: String
  var options: ModelSource.Options

  init(_ reader: SettingsReader, isRequired: Bool) throws {
    path = try reader.pathOrName(
      "path", default: isRequired ? nil : ".", where: ModelCaches.isName,
      "CLIP: a Hugging Face or open_clip folder, a .pt file of OpenAI's, or the name of a cached one, such as "
        + "openai/clip-vit-base-patch16 or ViT-B/16")
    let tokenizer = try reader.optionalPath(
      "tokenizer", "folder or file of the tokenizer, where it does not lie beside the weights")
    let activation = try reader.optionalChoice(
      "activation", of: Activation.self, "what the MLPs compute with, for weights that do not tell")
    options = ModelSource.Options(tokenizer: tokenizer, activation: activation)
  }

  /// Finds the model.
  ///
  /// Throws `Failure` where there is none.
  func source() throws -> ModelSource { try ModelSource(path, options: options) }
}

/// Images per step, and their order.
struct BatchSettings: Sendable {
  var globalSize: Int?
  var sizePerRank: Int?
  /// nil: the published rule for the number of shots.
  var order: BatchOrder?
  var groupSize: Int

  /// The words of `batch.order`.
  enum Order: String, CaseIterable {
    case auto, random, sequential
    case singleClass = "single-class"
  }

  init(_ reader: SettingsReader, isRequired: Bool) throws {
    globalSize = try reader.optionalInteger(
      "global", in: 1..., "images per step of all ranks together; the published runs use 4")
    sizePerRank = try reader.optionalInteger("per_rank", in: 1..., "images per step of each rank")
    let order = try reader.choice(
      "order", default: Order.auto, "order of the images; auto: single-class groups from 4 shots on, random below")
    self.order = BatchOrder(rawValue: order.rawValue)
    groupSize = try reader.integer(
      "group_size", default: EpochPlan.publishedGroupSize, in: 1...,
      "images of one class that single-class order puts together")
    try reader.require(
      (globalSize == nil) != (sizePerRank == nil) || (!isRequired && globalSize == nil),
      about: globalSize == nil ? "per_rank" : "global",
      "must be given exactly once, as batch.global or as batch.per_rank",
      remedy: "set batch.global: 4 for the published setting")
  }

  /// The key that gives the size.
  var sizeKey: String { globalSize != nil ? "batch.global" : "batch.per_rank" }

  /// Images per step of all ranks together.
  func globalSize(worldSize: Int) -> Int { globalSize ?? sizePerRank! * worldSize }
}

/// SGD and its schedule.
struct OptimizerSettings: Sendable {
  var textRate: Double
  var imageRate: Double
  var epochs: Int
  var warmupEpochs: Int
  var warmupRate: Double
  var scaling: LearningRateScaling
  /// Images per step that the rates were chosen for.
  var scalingBase: Int
  var sgd: SGD

  init(_ reader: SettingsReader) throws {
    textRate = try reader.number("text_lr", default: 2e-5, in: 0..., "learning rate of the text encoder")
    imageRate = try reader.number("image_lr", default: 5e-6, in: 0..., "learning rate of the image encoder")
    epochs = try reader.integer("epochs", default: 20, in: 0...100_000, "passes over the training images")
    warmupEpochs = try reader.integer(
      "warmup_epochs", default: 1, in: 0..., "first epochs, at the constant rate warmup_lr")
    warmupRate = try reader.number(
      "warmup_lr", default: 1e-6, in: 0..., "learning rate during the warm-up; never scaled")
    scaling = try reader.choice(
      "lr_scaling", default: LearningRateScaling.none,
      "how text_lr and image_lr grow with the global batch: not, in proportion, or with its square root")
    scalingBase = try reader.integer(
      "lr_base_batch", default: EpochPlan.publishedGroupSize, in: 1...,
      "images per step that text_lr and image_lr were chosen for; the published runs use 4")
    let published = SGD()
    sgd = SGD(
      momentum: try reader.number(
        "momentum", default: published.momentum, in: 0..<1, "share of the last update that is kept"),
      weightDecay: try reader.number(
        "weight_decay", default: published.weightDecay, in: 0...,
        "multiple of each trained weight added to its gradient"))
  }

  /// What the rates are multiplied by for steps of `globalBatch` images.
  func rateFactor(globalBatch: Int) -> Double { scaling.factor(batch: globalBatch, base: scalingBase) }

  /// The schedule of an encoder for steps of `globalBatch` images.
  func schedule(of encoder: Encoder, globalBatch: Int) -> LearningRateSchedule {
    let rate = encoder == .image ? imageRate : textRate
    return LearningRateSchedule(
      base: rate * rateFactor(globalBatch: globalBatch), epochs: max(1, epochs),
      warmupEpochs: warmupEpochs, warmupRate: warmupRate)
  }
}

/// Random crops of the training images.
struct AugmentationSettings: Sendable {
  /// nil: training images are prepared as test images are.
  var augmentation: Augmentation?

  init(_ reader: SettingsReader) throws {
    let enabled = try reader.boolean(
      "enabled", default: true, "whether training images are cropped and flipped at random")
    let scale = try reader.numbers(
      "scale", default: [0.08, 1], in: .above(0, through: 1), count: 2...2,
      "least and greatest share of the image's area in a crop")
    let ratio = try reader.numbers(
      "ratio", default: [3.0 / 4, 4.0 / 3], in: .above(0), count: 2...2, "least and greatest width / height of a crop")
    let flip = try reader.number("flip_probability", default: 0.5, in: 0...1, "chance of a mirror image")
    try reader.require(scale[0] <= scale[1], about: "scale", "must list the smaller number first")
    try reader.require(ratio[0] <= ratio[1], about: "ratio", "must list the smaller number first")
    augmentation =
      enabled && scale[0] <= scale[1] && ratio[0] <= ratio[1]
      ? Augmentation(scale: scale[0]...scale[1], ratio: ratio[0]...ratio[1], flipProbability: flip) : nil
  }
}

/// Bounds on work and resources.
struct LimitSettings: Sendable {
  var maxSteps: Int?
  /// Evaluations without a better one after which training ends; nil for no such end.
  var patience: Int?
  var loaderThreads: Int?
  /// Seconds.
  var collectiveTimeout: Double

  init(_ reader: SettingsReader) throws {
    maxSteps = try reader.optionalInteger(
      "max_steps", in: 0..., "training ends after this many steps, wherever its epoch stands")
    patience = try reader.optionalInteger(
      "patience", in: 1...,
      "training ends after so many evaluations of checkpoints that were no better, by checkpoint.keep_best")
    loaderThreads = try reader.optionalInteger(
      "loader_threads", in: 1...256, "background threads of each rank that decode images; default: the rank's threads")
    collectiveTimeout = try reader.number(
      "collective_timeout", default: 600, in: 0.5...86_400,
      "seconds that ranks wait for one that does not answer before all end with status 70; a rank at work may take ten times as long"
    )
  }
}

/// What is kept of the run.
struct OutputSettings: Sendable {
  var saveModel: Bool
  var tensorBoard: Bool
  var report: Bool
  /// nil: none is written.
  var prometheus: URL?

  init(_ reader: SettingsReader) throws {
    saveModel = try reader.boolean(
      "save_model", default: true, "whether the tuned model is written to <run_dir>/model as a Hugging Face folder")
    tensorBoard = try reader.boolean(
      "tensorboard", default: true, "whether curves are written to <run_dir>/events.out.tfevents.* for TensorBoard")
    report = try reader.boolean(
      "report", default: true,
      "whether a finished run is described by <run_dir>/report.html, one file to look at or send")
    prometheus = try reader.optionalPath(
      "prometheus",
      "file, its name ending in .prom, that says where the run stands, for the textfile collector of Prometheus' node exporter; default: none"
    )
    try reader.require(
      prometheus.map { $0.pathExtension == "prom" } ?? true, about: "prometheus",
      "must end in .prom, or node exporter passes it over")
  }
}
