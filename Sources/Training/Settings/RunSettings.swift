import Configuration
import Datasets
import Diagnostics
import Foundation

/// Which classes a run trains and tests.
public enum Task: String, Sendable, CaseIterable {
  /// Train on the first half of the classes; test on it and on the other half.
  case baseToNew = "base-to-new"
  /// Train and test on all classes.
  case allClasses = "all-classes"
}

/// Everything that a training run is told.
///
/// Each component declares its own settings in a file beside this one; reading them is also what documents them.
public struct RunSettings: Sendable {
  var runDirectory: URL
  var seed: Int
  var task: Task
  var model: ModelSettings
  var data: DataSettings
  var method: MethodSettings
  var batch: BatchSettings
  var optimizer: OptimizerSettings
  var exchange: ExchangeSettings
  var features: FeatureSettings
  /// What the encoders are computed with.
  public var compute: ComputeSettings
  var augmentation: AugmentationSettings
  var evaluation: EvaluationSettings
  var checkpoint: CheckpointSettings
  var limits: LimitSettings
  var output: OutputSettings
  /// For `skiptune protocol`.
  package var protocolSettings: ProtocolSettings
  /// Settings of the data sets of `evaluate.datasets`.
  var evaluatedDatasets: [RunSettings] = []

  /// Whether ranks update each layer as soon as its gradients are there: one that is alone may, unless a step whose gradients
  /// are not finite must be left out as a whole.
  func updatesLayerwise(worldSize: Int) -> Bool {
    worldSize == 1 && exchange.mode == .sharded && !exchange.takesLocalSteps && exchange.nonFinite == .stop
  }

  /// What settings are read for.
  public enum Purpose: Sendable {
    case training
    /// What only training needs may be left out: a run directory and a batch size.
    case evaluation
    /// Looking at a data set: the model may be left out too.
    case data
    /// Planning the trainings of a protocol: the data set and the order of things are not known yet.
    case plan
    /// Telling what the settings are: everything may be left out.
    case explanation
  }

  /// Reads the whole configuration and judges it: value, rule and way out of the first problem, with file and line.
  public static func read(_ source: ConfigurationSource, for purpose: Purpose = .training) throws -> (
    settings: RunSettings, resolved: ResolvedConfiguration
  ) {
    var (settings, resolved) = try ResolvedConfiguration.read(source) { try RunSettings($0, purpose) }
    if purpose == .training, !settings.evaluation.datasets.isEmpty {
      settings.evaluatedDatasets = try settings.evaluation.datasets.map { name in
        let configuration = DatasetConfiguration(source, place: "evaluate.datasets")
        return try RunSettings.read(configuration.source(name), for: .evaluation).settings
      }
    }
    return (settings, resolved)
  }

  /// Reads the whole configuration, of which a data set is wanted.
  ///
  /// Throws as `read(_:for:)`, and `Failure(.usage)` for a data set that nothing is known of. The disk is not looked at.
  public static func dataset(_ source: ConfigurationSource) throws -> DatasetLocation {
    try read(source, for: .data).settings.data.location()
  }

  /// Every setting with its default, rule and meaning.
  public static func reference() throws -> ConfigurationReference {
    try ResolvedConfiguration.describe { try RunSettings($0, .training) }
  }

  private init(_ reader: SettingsReader, _ purpose: Purpose) throws {
    runDirectory = try reader.path(
      "run_dir", default: purpose == .training || purpose == .plan ? nil : ".",
      "folder of this run's results; made if it does not exist")
    seed = try reader.integer(
      "seed", default: 1, in: 0...Int(UInt32.max),
      "draws the few-shot subset, the batches, the augmentations and the CSkip mask; the published seeds are 1, 2 and 3"
    )
    task = try reader.choice("task", default: .baseToNew, "which classes are trained and tested")
    model = try reader.section("model", "the CLIP that is adapted") { reader in
      try ModelSettings(reader, isRequired: purpose != .data && purpose != .explanation)
    }
    data = try reader.section("data", "the images and their classes") { reader in
      try DataSettings(reader, isRequired: purpose != .plan && purpose != .explanation)
    }
    method = try reader.section("method", "what is trained, and what is skipped", MethodSettings.init)
    batch = try reader.section("batch", "images per step, and their order") { reader in
      try BatchSettings(reader, isRequired: purpose == .training || purpose == .plan)
    }
    optimizer = try reader.section("optim", "SGD and its schedule", OptimizerSettings.init)
    exchange = try reader.section("exchange", "what ranks exchange at a step", ExchangeSettings.init)
    features = try reader.section(
      "features", "image features of an epoch, kept until their steps", FeatureSettings.init)
    compute = try reader.section("compute", "what the encoders are computed with", ComputeSettings.init)
    augmentation = try reader.section("augment", "random crops of the training images", AugmentationSettings.init)
    evaluation = try reader.section("evaluate", "how accuracy is measured", EvaluationSettings.init)
    checkpoint = try reader.section("checkpoint", "saving of training's state", CheckpointSettings.init)
    limits = try reader.section("limits", "bounds on work and resources", LimitSettings.init)
    output = try reader.section("output", "what is kept of the run", OutputSettings.init)
    protocolSettings = try reader.section(
      "protocol", "the runs of a protocol; a single run ignores them", ProtocolSettings.init)
    try requireEvaluations(reader)
  }

  /// Rules between what is saved, what is evaluated, and what follows from it.
  private func requireEvaluations(_ reader: SettingsReader) throws {
    func require(
      _ condition: Bool, _ key: String, in section: String, _ problem: String, remedy: String
    ) throws {
      try reader.reopened(section).require(condition, about: key, problem, remedy: remedy)
    }
    let evaluates = evaluation.evaluatesCheckpoints
    try require(
      !evaluates || checkpoint.isEnabled && method.kind != .zeroShot,
      evaluation.ranks > 0 ? "ranks" : "every_epochs", in: "evaluate", "needs a training that saves checkpoints",
      remedy: "set checkpoint.every_epochs or checkpoint.every_steps")
    let isOfTest = checkpoint.metric?.isOfTest ?? false
    try require(
      !isOfTest || evaluates, "keep_best", in: "checkpoint", "needs checkpoints that are evaluated",
      remedy: "set evaluate.ranks or evaluate.every_epochs")
    try require(
      checkpoint.metric != .harmonicMean || task == .baseToNew, "keep_best", in: "checkpoint",
      "needs base and new classes", remedy: "set task to base-to-new, or choose accuracy")
    try require(
      limits.patience == nil || isOfTest, "patience", in: "limits", "needs a number of evaluations to be patient by",
      remedy: "set checkpoint.keep_best to accuracy, harmonic_mean or macro_f1")
  }
}
