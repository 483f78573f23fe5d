import CLIPModel
import Datasets
import Diagnostics
import Evaluation
import Foundation

/// What a run works on, loaded and judged before any rank computes.
struct RunInputs: Sendable {
  /// What the model's values came from.
  let weights: WeightsFile
  let test: TestInputs
  let training: Dataset
  /// Training images per class, as drawn or as a subset's file has them; nil where all are used.
  let shots: Int?
  let prompts: [[Int32]]
  let trainingTransform: ImageTransform
  let globalBatch: Int
  let order: BatchOrder

  /// What a task trains on, and what it tests, for its model; `worldSize` ranks will share each batch.
  ///
  /// Throws `Failure` for whatever is wrong with them or does not fit together. Whether image files exist is not looked at.
  init(_ settings: RunSettings, _ task: TaskInputs, _ model: CLIP, worldSize: Int) throws {
    weights = task.weights
    globalBatch = try Self.globalBatch(settings, worldSize: worldSize)
    test = try TestInputs(settings, task, model)
    (training, shots) = try Self.trainingPart(of: test.whole, settings)
    order = settings.batch.order ?? .published(shots: shots, groupSize: settings.batch.groupSize)
    try Self.judge(settings, depth: test.model.depth, classCount: training.classNames.count)
    prompts =
      try test.method?.prompts(training.classNames, test.prompter) ?? test.prompter.prompts(training.classNames)
    trainingTransform = ImageTransform(test.preprocessing, augmentation: settings.augmentation.augmentation)
    _ = try plan(settings, epoch: 0)
  }

  /// The model that is trained.
  var model: CLIP { test.model }
  /// How test images become its input.
  var testTransform: ImageTransform { test.transform }

  /// The global batches of an epoch, as indices of training images.
  ///
  /// Throws where no batch can be filled.
  func plan(_ settings: RunSettings, epoch: Int) throws -> [[Int]] {
    try Self.plan(settings, training, globalBatch: globalBatch, order: order, epoch: epoch)
  }

  /// The same of some training images.
  static func plan(
    _ settings: RunSettings, _ training: Dataset, globalBatch: Int, order: BatchOrder, epoch: Int
  ) throws -> [[Int]] {
    do {
      return try EpochPlan(
        labels: training.train.map(\.label), globalBatchSize: globalBatch, order: order,
        groupSize: settings.batch.groupSize, seed: UInt64(settings.seed), epoch: epoch
      ).batches
    } catch var failure as Failure {
      failure.place = failure.place ?? settings.batch.sizeKey
      throw failure
    }
  }

  /// Throws unless every image of the run has a file.
  func verifyImagesExist() throws {
    try training.verifyImagesExist(training.train)
    try test.verifyImagesExist()
  }

  /// Images of a step of all ranks together.
  ///
  /// Throws where there is not one for each rank.
  static func globalBatch(_ settings: RunSettings, worldSize: Int) throws -> Int {
    let size = settings.batch.globalSize(worldSize: worldSize)
    guard size >= worldSize else {
      throw Failure(
        .usage, at: "batch.global",
        "\(worldSize) ranks cannot share \(size) images per step, each rank needs at least one",
        remedy: "start at most \(size) \(size == 1 ? "rank" : "ranks"), or raise batch.global")
    }
    return size
  }

  static func trainingPart(of dataset: Dataset, _ settings: RunSettings) throws -> (Dataset, shots: Int?) {
    guard !dataset.train.isEmpty else {
      throw Failure(
        .missingInput, at: "data.name", "\(dataset.name) has no training images here",
        remedy: "train on another data set; skiptune evaluate tests on this one")
    }
    let choice = try settings.data.trainingChoice(of: dataset, seed: settings.seed)
    return (try choice.dataset.subset(settings.task.trainingSubset), choice.shots)
  }

  /// Throws where a start layer or a mask does not go with a model of so many blocks and a task of so many classes.
  static func judge(_ settings: RunSettings, depth: Int, classCount: Int) throws {
    guard !settings.method.usesStartLayer || settings.method.startLayer <= depth else {
      throw Failure(
        .usage, at: "method.start_layer",
        "start layer \(settings.method.startLayer) lies beyond the model's \(depth) blocks",
        remedy: "choose 0 (train all blocks) to \(depth) (train only the heads)")
    }
    if let mask = settings.method.mask, mask.count != classCount {
      throw Failure(
        .usage, at: "method.class_skip.mask", "the mask has \(mask.count) entries, the task has \(classCount) classes",
        remedy: "give one entry of 0 or 1 per class, or leave the mask out")
    }
  }
}

extension Task {
  var trainingSubset: ClassSubset { self == .baseToNew ? .base : .all }
}
