import CLIPModel
import Datasets
import Diagnostics
import Evaluation
import Foundation
import SkipTuning

/// What a test works on, loaded and judged before any rank computes.
struct TestInputs: Sendable {
  /// Classes and images that accuracy is measured on.
  struct TestSet: Sendable {
    /// `base`, `new` or `all`.
    let name: String
    let dataset: Dataset
    /// Token ids of one prompt per class, for each template.
    let prompts: [[[Int32]]]
    /// Those that the run's method tests with, one per class.
    let methodPrompts: [[Int32]]
  }

  /// The model that is tested, also while it is being trained, with what the method adds to it.
  let model: CLIP
  /// How it is trained; nil where nothing is.
  let method: (any TrainingMethod)?
  /// All classes and lists of the data set.
  let whole: Dataset
  let template: PromptTemplate
  let prompter: Prompter
  let preprocessing: ImagePreprocessing
  let sets: [TestSet]

  /// Makes the prompts of a task for its model.
  ///
  /// Throws `Failure` for whatever does not fit together. Whether image files exist is not looked at.
  init(_ settings: RunSettings, _ task: TaskInputs, _ model: CLIP) throws {
    let (whole, method) = (task.whole, task.method)
    let prompter = Prompter(
      template: task.template, tokenizer: task.tokenizer, model: model, place: "data.template")
    let testers = try settings.evaluation.templates.map {
      prompter.with(try PromptTemplate($0), place: "evaluate.templates")
    }
    preprocessing = try ImagePreprocessing(task.weights.source, imageSize: model.configuration.imageSize)
    sets = try settings.task.testSubsets.map { subset in
      let part = try Self.measured(whole.subset(subset), settings.evaluation.split)
      return TestSet(
        name: subset.rawValue, dataset: part,
        prompts: try (testers.isEmpty ? [prompter] : testers).map { try $0.prompts(part.classNames) },
        methodPrompts: try method?.prompts(part.classNames, prompter) ?? [])
    }
    (self.whole, self.model, self.method, self.prompter, template) = (whole, model, method, prompter, task.template)
  }

  /// The data set with what accuracy is measured on as its list of test images.
  private static func measured(_ dataset: Dataset, _ split: EvaluationSettings.Split) throws -> Dataset {
    guard split == .validation else { return dataset }
    guard !dataset.validation.isEmpty else {
      throw Failure(
        .missingInput, at: "evaluate.split", "\(dataset.name) has no validation images",
        remedy: "set evaluate.split to test, or give the data set a validation list")
    }
    var dataset = dataset
    dataset.test = dataset.validation
    return dataset
  }

  /// How test images become the model's input.
  var transform: ImageTransform { ImageTransform(preprocessing) }

  /// How far the image encoder is the same before and after training.
  var frozenStage: ImageStage { method?.imageStage ?? .projected }

  /// Throws unless every image of the test sets has a file.
  func verifyImagesExist() throws {
    for set in sets { try set.dataset.verifyImagesExist(set.dataset.test) }
  }
}

extension Task {
  var testSubsets: [ClassSubset] { self == .baseToNew ? [.base, .new] : [.all] }
}
