import CLIPModel
import Datasets
import Diagnostics
import Evaluation
import Foundation

/// What a run works on, loaded and judged before any rank computes.
struct RunInputs: Sendable {
  /// Classes and images that accuracy is measured on.
  struct TestSet: Sendable {
    /// `base`, `new` or `all`.
    let name: String
    let dataset: Dataset
    /// Token ids of one prompt per class.
    let prompts: [[Int32]]
  }

  var model: CLIP
  let training: Dataset
  let prompts: [[Int32]]
  let tests: [TestSet]
  let trainingTransform: ImageTransform
  let testTransform: ImageTransform
  let globalBatch: Int
  let order: BatchOrder

  /// Reads data set, model and tokenizer; `worldSize` ranks will share each batch.
  ///
  /// Throws `Failure` for whatever is wrong with them or does not fit together. Whether image files exist is not looked at.
  init(_ settings: RunSettings, worldSize: Int) throws {
    globalBatch = try Self.globalBatch(settings, worldSize: worldSize)
    order = settings.batch.order ?? .published(shots: settings.data.shots, groupSize: settings.batch.groupSize)

    let location = try settings.data.location()
    let whole = try location.read()
    training = try Self.trainingPart(of: whole, settings)
    model = try CLIP(huggingFaceFolder: settings.model.path)
    let tokenizer = try CLIPTokenizer(huggingFaceFolder: settings.model.path)
    try model.configuration.judge(tokenizer, place: settings.model.path.path)
    try Self.judge(settings, model, classCount: training.classNames.count)
    let prompter = Prompter(
      template: location.promptTemplate, tokenizer: tokenizer, model: model, place: "data.template")
    prompts = try prompter.prompts(training.classNames)
    tests = try settings.task.testSubsets.map { subset in
      let part = try whole.subset(subset)
      return TestSet(name: subset.rawValue, dataset: part, prompts: try prompter.prompts(part.classNames))
    }
    (trainingTransform, testTransform) = try Self.transforms(settings, model)
    _ = try plan(settings, epoch: 0)
  }

  /// The global batches of an epoch, as indices of training images.
  ///
  /// Throws where no batch can be filled.
  func plan(_ settings: RunSettings, epoch: Int) throws -> [[Int]] {
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
    for test in tests { try test.dataset.verifyImagesExist(test.dataset.test) }
  }

  private static func globalBatch(_ settings: RunSettings, worldSize: Int) throws -> Int {
    let size = settings.batch.globalSize(worldSize: worldSize)
    guard size >= worldSize else {
      throw Failure(
        .usage, at: "batch.global",
        "\(worldSize) ranks cannot share \(size) images per step, each rank needs at least one",
        remedy: "start at most \(size) \(size == 1 ? "rank" : "ranks"), or raise batch.global")
    }
    return size
  }

  private static func trainingPart(of dataset: Dataset, _ settings: RunSettings) throws -> Dataset {
    let sampled = try settings.data.shots.map { try dataset.fewShot(shots: $0, seed: settings.seed) } ?? dataset
    return try sampled.subset(settings.task.trainingSubset)
  }

  private static func judge(
    _ settings: RunSettings, _ model: CLIP, classCount: Int
  ) throws {
    guard settings.method.startLayer <= model.depth else {
      throw Failure(
        .usage, at: "method.start_layer",
        "start layer \(settings.method.startLayer) lies beyond the model's \(model.depth) blocks",
        remedy: "choose 0 (train all blocks) to \(model.depth) (train only the heads)")
    }
    if let mask = settings.method.mask, mask.count != classCount {
      throw Failure(
        .usage, at: "method.class_skip.mask", "the mask has \(mask.count) entries, the task has \(classCount) classes",
        remedy: "give one entry of 0 or 1 per class, or leave the mask out")
    }
  }

  private static func transforms(
    _ settings: RunSettings, _ model: CLIP
  ) throws -> (training: ImageTransform, test: ImageTransform) {
    let imageSize = model.configuration.imageSize
    let preprocessing = try ImagePreprocessing(huggingFaceFolder: settings.model.path, imageSize: imageSize)
    let transforms = [settings.augmentation.augmentation, nil].map {
      ImageTransform(preprocessing, augmentation: $0)
    }
    return (transforms[0], transforms[1])
  }
}

extension Task {
  var trainingSubset: ClassSubset { self == .baseToNew ? .base : .all }
  var testSubsets: [ClassSubset] { self == .baseToNew ? [.base, .new] : [.all] }
}

/// Makes one prompt per class.
struct Prompter {
  let template: PromptTemplate
  let tokenizer: CLIPTokenizer
  let model: CLIP
  let place: String

  /// Token ids, start and end included.
  ///
  /// Throws where the model cannot read a prompt whole: a cut prompt would stand for another class.
  func prompts(_ classNames: [String]) throws -> [[Int32]] {
    try classNames.enumerated().map { label, name in
      let tokens = tokenizer.tokens(template.prompt(for: name))
      guard tokens.count <= model.configuration.contextLength else {
        throw Failure(
          .badData, at: "class \(label) \"\(name.prefix(60))\"",
          "its prompt has \(tokens.count) tokens, the model reads \(model.configuration.contextLength)",
          remedy: "shorten the class name or \(place)")
      }
      return tokens
    }
  }
}
