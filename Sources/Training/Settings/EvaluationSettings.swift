import Configuration
import Coordination
import Datasets
import Evaluation

/// How accuracy is measured.
struct EvaluationSettings: Sendable {
  /// What is done about input that is not there or damaged.
  enum Rule: String, Sendable, CaseIterable {
    case fail, skip
  }

  /// The list of the data set that accuracy is measured on.
  enum Split: String, Sendable, CaseIterable {
    case test
    case validation = "val"
  }

  var batchSize: Int
  var split: Split
  var zeroShot: Bool
  var tuned: Bool
  /// Prompts whose mean features describe a class; none for the prompt of the data.
  var templates: [String]
  var schedule: TestSchedule
  var onMissingData: Rule
  /// Ranks that evaluate checkpoints while the others train.
  var ranks: Int
  /// Epochs of training between two evaluations that training stops for; 0 for none.
  var everyEpochs: Int
  /// Data sets beside the run's own that checkpoints are evaluated on.
  var datasets: [String]

  init(_ reader: SettingsReader) throws {
    batchSize = try reader.integer(
      "batch_size", default: 32, in: 1...4096, "images of each rank that pass the model together")
    split = try reader.choice(
      "split", default: Split.test,
      "images that accuracy is measured on: the test list of the data set, or the validation list (val), to choose settings by"
    )
    zeroShot = try reader.boolean("zero_shot", default: true, "whether the untuned model is tested first")
    tuned = try reader.boolean("tuned", default: true, "whether the tuned model is tested at the end")
    templates = try reader.strings(
      "templates", default: [], example: "a photo of a {}.",
      "prompts whose mean text feature describes a class in tests; without any, data.template does")
    try reader.require(
      templates.allSatisfy { (try? PromptTemplate($0)) != nil }, about: "templates",
      "must each hold {} exactly once, where the class name goes",
      remedy: "write for example [\"a photo of a {}.\", \"a drawing of a {}.\"]")
    schedule = try Self.schedule(reader)
    onMissingData = try reader.choice(
      "on_missing_data", default: Rule.fail,
      "whether a data set that is not there, or lacks images, ends skiptune evaluate or is left out and listed")
    ranks = try reader.integer(
      "ranks", default: 0, in: 0..., "ranks, the last ones, that evaluate each new checkpoint while the others train")
    everyEpochs = try reader.integer(
      "every_epochs", default: 0, in: 0...,
      "epochs after which training stops to evaluate the checkpoint on all ranks; 0 for never")
    datasets = try reader.strings(
      "datasets", default: [], example: "configs/datasets/eurosat.yaml",
      "data sets beside the run's that checkpoints are evaluated on: published names, or files laid over those of -c")
    try reader.require(
      ranks == 0 || everyEpochs == 0, about: "every_epochs", "cannot be combined with evaluate.ranks",
      remedy: "evaluate beside training or between epochs")
    try reader.require(
      evaluatesCheckpoints || datasets.isEmpty, about: "datasets", "is about evaluations during training only",
      remedy: "give evaluate.ranks or evaluate.every_epochs, or use skiptune evaluate --datasets")
  }

  /// Whether checkpoints are evaluated before training ends.
  var evaluatesCheckpoints: Bool { ranks > 0 || everyEpochs > 0 }

  private static func schedule(_ reader: SettingsReader) throws -> TestSchedule {
    let coordinator = try reader.choice(
      "coordinator", default: CoordinatorRole.shared,
      "rank 0 hands out the images: beside its own share of them, or doing nothing else")
    let seconds = try reader.number(
      "chunk_seconds", default: 5, in: .above(0),
      "work that a rank is given at a time, by its measured speed; less towards the end")
    let images = try reader.optionalInteger(
      "chunk_images", in: 1..., "images that a rank is given at a time, in whole batches; instead of chunk_seconds")
    let onBadImage = try reader.choice(
      "on_bad_image", default: Rule.fail,
      "whether a test image that cannot be read ends the run or is skipped and counted")
    return TestSchedule(
      coordinator: coordinator, sizing: images.map { .items($0) } ?? .seconds(seconds),
      onBadImage: onBadImage == .skip ? .pass : .stop)
  }
}
