import CLIPModel
import Datasets
import Diagnostics
import Foundation

/// What is read before a model's values are: data set, tokenizer, the header of the weights, and the method that they make
/// possible, which says what parameters there are beside the model's own.
struct TaskInputs: Sendable {
  let weights: WeightsFile
  /// All classes and lists of the data set.
  let whole: Dataset
  let template: PromptTemplate
  let tokenizer: CLIPTokenizer
  /// How the model is trained; nil where nothing is.
  let method: (any TrainingMethod)?

  /// Reads them all.
  ///
  /// Throws `Failure` for whatever is wrong with them or does not fit together. Image files are not looked at.
  init(_ settings: RunSettings) throws {
    weights = try WeightsFile(settings.model.source())
    let location = try settings.data.location()
    whole = try location.read()
    template = location.promptTemplate
    tokenizer = try CLIPTokenizer(weights.source, weights.configuration)
    try weights.configuration.judge(tokenizer, place: weights.source.name)
    method = try Self.method(settings, whole, tokenizer)
  }

  /// The same model and data set, trained as `settings` say.
  ///
  /// Throws `Failure` where the method does not go with them.
  init(_ settings: RunSettings, like other: TaskInputs) throws {
    (weights, whole, template, tokenizer) = (other.weights, other.whole, other.template, other.tokenizer)
    method = try Self.method(settings, whole, tokenizer)
  }

  private static func method(
    _ settings: RunSettings, _ whole: Dataset, _ tokenizer: CLIPTokenizer
  ) throws -> (any TrainingMethod)? {
    try settings.method.makeMethod(
      classCount: whole.subset(settings.task.trainingSubset).classNames.count, tokenizer, seed: UInt64(settings.seed),
      task: settings.task)
  }
}
