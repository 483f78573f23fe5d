import CLIPModel
import Kernels
import SkipTuning
import Tensors

/// Skip Tuning: both encoders from a block on, against the classes that CSkip keeps.
struct SkipTuningMethod: TrainingMethod {
  let startLayer: Int

  var kind: MethodKind { .skipTuning }
  var imageStage: ImageStage { .block(startLayer) }
  var words: String { "blocks from \(startLayer) on" }

  func trained(of model: CLIP) -> TrainedParameters { TrainedParameters(of: model, from: startLayer) }

  func makeStep(_ task: StepTask, by product: some MatrixProduct) -> any TrainingStep {
    SkipTuningStep(
      task.model, trained(of: task.model), task.classSkip,
      textPrefix: task.model.textPrefix(task.prompts, upTo: startLayer, arena: Arena(), by: product),
      gradients: task.gradients, by: product)
  }
}

/// Both encoders and their embeddings: full fine-tuning, or that with CSkip.
struct WholeEncoderTuning: TrainingMethod {
  let kind: MethodKind
  /// Whether batches train against the classes that CSkip keeps, rather than against all.
  let skipsClasses: Bool

  var imageStage: ImageStage { .pixels }
  var words: String { "all blocks and embeddings" }

  func trained(of model: CLIP) -> TrainedParameters { TrainedParameters(of: model, from: 0, embeddings: true) }

  func makeStep(_ task: StepTask, by product: some MatrixProduct) -> any TrainingStep {
    SkipTuningStep(
      whole: task.model, skipsClasses ? task.classSkip : nil, prompts: task.prompts, gradients: task.gradients,
      by: product)
  }
}
