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
    /// Token ids of one prompt per class.
    let prompts: [[Int32]]
  }

  /// The model that is tested, also while it is being trained.
  let model: CLIP
  /// All classes and lists of the data set.
  let whole: Dataset
  let template: PromptTemplate
  let prompter: Prompter
  let preprocessing: ImagePreprocessing
  let sets: [TestSet]

  /// Reads data set and tokenizer, for a model that was read from the same source.
  ///
  /// Throws `Failure` for whatever is wrong with them or does not fit together. Whether image files exist is not looked at.
  init(_ settings: RunSettings, _ model: CLIP) throws {
    let location = try settings.data.location()
    let whole = try location.read()
    let source = try settings.model.source()
    let tokenizer = try CLIPTokenizer(source, model.configuration)
    try model.configuration.judge(tokenizer, place: source.name)
    let prompter = Prompter(
      template: location.promptTemplate, tokenizer: tokenizer, model: model, place: "data.template")
    preprocessing = try ImagePreprocessing(source, imageSize: model.configuration.imageSize)
    sets = try settings.task.testSubsets.map { subset in
      let part = try whole.subset(subset)
      return TestSet(name: subset.rawValue, dataset: part, prompts: try prompter.prompts(part.classNames))
    }
    (self.whole, self.model, self.prompter, template) = (whole, model, prompter, location.promptTemplate)
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
