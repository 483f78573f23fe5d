import CLIPModel
import Evaluation
import Kernels
import SkipTuning
import Tensors

/// A feature adapter (CLIP-Adapter) behind the frozen image encoder; texts do not change.
struct AdapterTuning: TrainingMethod {
  /// How many times narrower the bottleneck is.
  let reduction: Int
  /// How much of the adapted feature is the adapter's.
  let ratio: Double
  let seed: UInt64

  var kind: MethodKind { .adapter }
  var imageStage: ImageStage { .projected }
  var words: String { "an adapter of image features" }

  func additions(to configuration: CLIPConfiguration) -> [ParameterLayout.Addition] {
    FeatureAdapter.additions(configuration, reduction: reduction)
  }

  func initialize(_ model: CLIP) { FeatureAdapter(model.parameters).initialize(seed: seed) }

  func trained(of model: CLIP) -> TrainedParameters { TrainedParameters(additionsTo: model, as: .image) }

  func makeStep(_ task: StepTask, by product: some MatrixProduct) -> any TrainingStep {
    let texts = task.model.unitTextFeatures(averaging: [task.prompts], by: product)
    return HeadStep(
      AdapterHead(
        FeatureAdapter(task.model.parameters), ratio: Float(ratio), texts: texts, scale: task.model.logitScale),
      FeatureAdapter(task.gradients), gradients: task.gradients, by: product)
  }

  func scoring(_ model: CLIP, _ set: TestInputs.TestSet, by product: some MatrixProduct) -> (any ClassScoring)? {
    let texts = model.unitTextFeatures(averaging: set.prompts, by: product)
    let head = AdapterHead(
      FeatureAdapter(model.parameters), ratio: Float(ratio), texts: texts, scale: model.logitScale)
    return HeadScoring(model: model, stage: imageStage, head: head)
  }
}

/// A linear classifier on what the frozen image encoder's projection would be applied to.
struct LinearProbing: TrainingMethod {
  let classCount: Int

  var kind: MethodKind { .linearProbe }
  var imageStage: ImageStage { .pooled }
  var words: String { "a linear classifier of image features" }

  func additions(to configuration: CLIPConfiguration) -> [ParameterLayout.Addition] {
    LinearProbe.additions(configuration, classCount: classCount)
  }

  func trained(of model: CLIP) -> TrainedParameters { TrainedParameters(additionsTo: model, as: .image) }

  func makeStep(_ task: StepTask, by product: some MatrixProduct) -> any TrainingStep {
    HeadStep(
      LinearProbe(task.model.parameters), LinearProbe(task.gradients), gradients: task.gradients, by: product)
  }

  func scoring(_ model: CLIP, _ set: TestInputs.TestSet, by product: some MatrixProduct) -> (any ClassScoring)? {
    HeadScoring(model: model, stage: imageStage, head: LinearProbe(model.parameters))
  }
}

/// The logits of a head.
private struct HeadScoring<Head: ImageHead>: ClassScoring {
  let model: CLIP
  let stage: ImageStage
  let head: Head

  var classCount: Int { head.classCount }
  var inputStage: ImageStage { stage }

  func scores(_ pixels: Tensor, arena: Arena, by product: some MatrixProduct) -> Tensor {
    let layout = model.imageLayout(count: pixels.shape[0], at: stage)
    let features = arena.tensor([layout.tokenCount, model.imageColumns(at: stage)])
    model.imageInputs(pixels, into: features, at: stage, arena: arena, by: product)
    return scores(of: features, images: pixels.shape[0], arena: arena, by: product)
  }

  func scores(of x: Tensor, images: Int, arena: Arena, by product: some MatrixProduct) -> Tensor {
    head.forward(x, arena: arena, by: product).logits
  }
}
