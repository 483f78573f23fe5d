import CLIPModel
import Datasets
import Diagnostics
import Evaluation
import Foundation

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
  var model: CLIP
  /// How it is trained; nil where nothing is.
  let method: (any TrainingMethod)?
  /// All classes and lists of the data set.
  let whole: Dataset
  let template: PromptTemplate
  let prompter: Prompter
  let preprocessing: ImagePreprocessing
  let sets: [TestSet]

  /// Reads data set, model and tokenizer.
  ///
  /// Throws `Failure` for whatever is wrong with them or does not fit together. Whether image files exist is not looked at.
  init(_ settings: RunSettings) throws {
    let location = try settings.data.location()
    let whole = try location.read()
    let configuration = try CLIPConfiguration(huggingFaceFolder: settings.model.path)
    let tokenizer = try CLIPTokenizer(huggingFaceFolder: settings.model.path)
    let training = try whole.subset(settings.task.trainingSubset)
    let method = try settings.method.makeMethod(
      classCount: training.classNames.count, tokenizer, seed: UInt64(settings.seed), task: settings.task)
    try configuration.judge(tokenizer, place: settings.model.path.path)
    let additions = method?.additions(to: configuration) ?? []
    let model = try CLIP(huggingFaceFolder: settings.model.path, adding: additions)
    method?.initialize(model)
    let prompter = Prompter(
      template: location.promptTemplate, tokenizer: tokenizer, model: model, place: "data.template")
    let templates = try settings.evaluation.templates.map(PromptTemplate.init)
    let testers = templates.map {
      Prompter(template: $0, tokenizer: tokenizer, model: model, place: "evaluate.templates")
    }
    preprocessing = try ImagePreprocessing(
      huggingFaceFolder: settings.model.path, imageSize: model.configuration.imageSize)
    sets = try settings.task.testSubsets.map { subset in
      let part = try whole.subset(subset)
      return TestSet(
        name: subset.rawValue, dataset: part,
        prompts: try (testers.isEmpty ? [prompter] : testers).map { try $0.prompts(part.classNames) },
        methodPrompts: try method?.prompts(part.classNames, prompter) ?? [])
    }
    (self.whole, self.model, self.prompter, template) = (whole, model, prompter, location.promptTemplate)
    self.method = method
  }

  /// How test images become the model's input.
  var transform: ImageTransform { ImageTransform(preprocessing) }

  /// Throws unless every image of the test sets has a file.
  func verifyImagesExist() throws {
    for set in sets { try set.dataset.verifyImagesExist(set.dataset.test) }
  }
}

extension Task {
  var testSubsets: [ClassSubset] { self == .baseToNew ? [.base, .new] : [.all] }
}
