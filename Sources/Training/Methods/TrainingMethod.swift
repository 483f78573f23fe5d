import CLIPModel
import Evaluation
import Kernels
import SkipTuning
import Tensors

/// What a run trains, and how: the words of `method.kind`.
enum MethodKind: String, CaseIterable, Sendable {
  case skipTuning = "skip-tuning"
  case full
  case promptTuning = "prompt-tuning"
  case adapter
  case linearProbe = "linear-probe"
  case zeroShot = "zero-shot"

  /// Whether it trains CLIP's own weights, so that a tuned model is a CLIP.
  var tunesModel: Bool { self == .skipTuning || self == .full }
}

/// A method of training on the engine that all methods share.
///
/// It says what is trained and where images enter, makes the steps, and tells classes apart afterwards.
protocol TrainingMethod: Sendable {
  /// As settings and results name it.
  var kind: MethodKind { get }

  /// Parameters that it has beside the model's own; none for methods that train those.
  func additions(to configuration: CLIPConfiguration) -> [ParameterLayout.Addition]

  /// Gives the additions of an untuned model their first values.
  func initialize(_ model: CLIP)

  /// The parameters that have gradients, state and traffic.
  func trained(of model: CLIP) -> TrainedParameters

  /// How far the frozen part takes images before steps see them.
  var imageStage: ImageStage { get }

  /// One prompt per class, as steps use them.
  ///
  /// Throws `Failure` where the model cannot read one whole.
  func prompts(_ classNames: [String], _ prompter: Prompter) throws -> [[Int32]]

  /// The steps of a model that is still untuned, with gradients in memory of the caller's.
  func makeStep(_ task: StepTask, by product: some MatrixProduct) -> any TrainingStep

  /// What tells the classes of a test set apart; nil for the model's own way, image against prompts.
  func scoring(_ model: CLIP, _ set: TestInputs.TestSet, by product: some MatrixProduct) -> (any ClassScoring)?

  /// What is trained, for the log.
  var words: String { get }
}

/// What steps are made for.
struct StepTask {
  let model: CLIP
  /// What tells which classes are kept; all are where a method keeps them all.
  let classSkip: ClassSkip
  /// One per class.
  let prompts: [[Int32]]
  let gradients: ParameterStore
}

extension TrainingMethod {
  func additions(to configuration: CLIPConfiguration) -> [ParameterLayout.Addition] { [] }
  func initialize(_ model: CLIP) {}
  func prompts(_ classNames: [String], _ prompter: Prompter) throws -> [[Int32]] {
    try prompter.prompts(classNames)
  }
  func scoring(_ model: CLIP, _ set: TestInputs.TestSet, by product: some MatrixProduct) -> (any ClassScoring)? { nil }
}
