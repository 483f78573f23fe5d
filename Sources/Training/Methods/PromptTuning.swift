import CLIPModel
import Datasets
import Diagnostics
import Evaluation
import Kernels
import SkipTuning
import Tensors

/// Prompt tuning (CoOp): context vectors in the place of the words before a class name; both encoders are frozen.
struct PromptTuning: TrainingMethod {
  /// Where the vectors start.
  enum Start: Sendable, Equatable {
    case random(seed: UInt64)
    case words([Int32])
  }

  /// Vectors.
  let length: Int
  let start: Start

  private static let template = "{}."

  var kind: MethodKind { .promptTuning }
  var imageStage: ImageStage { .projected }
  var words: String { "\(length) context vectors" }

  func additions(to configuration: CLIPConfiguration) -> [ParameterLayout.Addition] {
    [PromptContext.addition(configuration, length: length)]
  }

  func initialize(_ model: CLIP) {
    switch start {
    case .random(let seed): PromptContext(of: model).initialize(seed: seed)
    case .words(let words): PromptContext(of: model).initialize(words: words)
    }
  }

  func trained(of model: CLIP) -> TrainedParameters { TrainedParameters(additionsTo: model, as: .text) }

  func prompts(_ classNames: [String], _ prompter: Prompter) throws -> [[Int32]] {
    try prompter.with(PromptTemplate(Self.template), place: "method.prompt.context_length")
      .prompts(classNames, reserving: length)
      .map { PromptContext.prompt($0, length: length) }
  }

  func makeStep(_ task: StepTask, by product: some MatrixProduct) -> any TrainingStep {
    SkipTuningStep(contextOf: task.model, prompts: task.prompts, gradients: task.gradients, by: product)
  }

  func scoring(_ model: CLIP, _ set: TestInputs.TestSet, by product: some MatrixProduct) -> (any ClassScoring)? {
    NearestText(
      model, classFeatures: PromptContext(of: model).unitTextFeatures(set.methodPrompts, by: product), from: imageStage)
  }
}
