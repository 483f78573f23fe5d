import CLIPModel
import Kernels
import MatrixBackends
import Safetensors
import SkipTuning
import Tensors
import TestSupport
import Testing

/// Loss and gradients of the compared methods against autograd on the same weights (Tests/Reference/methods_goldens.py).
///
/// rounding.json: PyTorch's own float32 numbers are up to 2.2e-6 away from its float64 ones; 2e-5 as in `GradientTests`.
@Suite struct MethodTests {
  static let product = OpenBLASProduct(threads: 2)

  @Test func fullFineTuningMatchesAutograd() throws {
    let golden = try Self.golden("full")
    let model = try Self.model([], golden)
    let trained = TrainedParameters(of: model, from: 0, embeddings: true)
    #expect(trained.count == model.parameters.layout.count - 1, "all but logit_scale")
    let step = SkipTuningStep(
      whole: model, nil, prompts: try golden.prompts(), gradients: trained.makeStore(model.parameters.layout),
      by: Self.product)
    try Self.expect(step, model, .pixels, golden)
    try GradientTests.expectGradients(step.gradients, golden)
  }

  @Test func promptTuningMatchesAutograd() throws {
    let golden = try Self.golden("prompt-tuning")
    let model = try Self.model([PromptContext.name], golden)
    let trained = TrainedParameters(additionsTo: model, as: .text)
    let step = SkipTuningStep(
      contextOf: model, prompts: try golden.prompts(), gradients: trained.makeStore(model.parameters.layout),
      by: Self.product)
    try Self.expect(step, model, .projected, golden)
    try GradientTests.expectGradients(step.gradients, golden)
  }

  @Test func adapterMatchesAutograd() throws {
    let golden = try Self.golden("adapter")
    let model = try Self.model(["adapter.down.weight", "adapter.up.weight"], golden)
    #expect(
      model.parameters.layout.additions.map(\.shape)
        == FeatureAdapter.additions(model.configuration, reduction: 4).map(\.shape))
    let gradients = TrainedParameters(additionsTo: model, as: .image).makeStore(model.parameters.layout)
    let texts = model.unitTextFeatures(averaging: [try golden.prompts()], by: Self.product)
    let head = AdapterHead(FeatureAdapter(model.parameters), ratio: 0.2, texts: texts, scale: model.logitScale)
    let step = HeadStep(head, FeatureAdapter(gradients), gradients: gradients, by: Self.product)
    try Self.expect(step, model, .projected, golden)
    try GradientTests.expectGradients(step.gradients, golden)
  }

  @Test func linearProbeMatchesAutograd() throws {
    let golden = try Self.golden("linear-probe")
    let model = try Self.model(["linear_probe.weight", "linear_probe.bias"], golden)
    #expect(
      model.parameters.layout.additions.map(\.shape)
        == LinearProbe.additions(model.configuration, classCount: 9).map(\.shape))
    let gradients = TrainedParameters(additionsTo: model, as: .image).makeStore(model.parameters.layout)
    let step = HeadStep(
      LinearProbe(model.parameters), LinearProbe(gradients), gradients: gradients, by: Self.product)
    try Self.expect(step, model, .pooled, golden)
    try GradientTests.expectGradients(step.gradients, golden)
  }

  @Test func anEnsembleOfTemplatesIsAverageAndScaledAgain() throws {
    let golden = try Self.golden("ensemble")
    let prompts = try golden.prompts()
    let features = try Self.model([], golden).unitTextFeatures(
      averaging: (0..<3).map { Array(prompts[3 * $0..<3 * $0 + 3]) }, by: Self.product)
    #expect(relativeError(features, try golden.tensor("features")) < 5e-6)
  }

  @Test func aContextOfWordsIsThePromptOfTheseWords() throws {
    let golden = try Self.golden("full")
    let prompts = try golden.prompts().prefix(4)
    let bare = prompts.map { $0.prefix(1) + $0.dropFirst(5) }.map(Array.init)
    for prompt in prompts { #expect(Array(prompt[1..<5]) == Array(prompts[0][1..<5])) }
    let configuration = try CLIPConfiguration(huggingFaceFolder: Goldens.url("towers/model-gelu"))
    let model = try CLIP(
      huggingFaceFolder: Goldens.url("towers/model-gelu"), adding: [PromptContext.addition(configuration, length: 4)])
    let context = PromptContext(of: model)
    context.initialize(words: Array(prompts[0][1..<5]))
    let features = context.unitTextFeatures(bare.map { PromptContext.prompt($0, length: 4) }, by: Self.product)
    let truth = model.unitTextFeatures(averaging: [Array(prompts)], by: Self.product)
    #expect(features.array == truth.array)
  }

  // MARK: - One step

  /// Loss and gradients of full fine-tuning or prompt tuning by any product.
  static func outcome(
    _ method: String, _ golden: SafetensorsFile, by product: some MatrixProduct
  ) throws -> (loss: Double, gradients: ParameterStore) {
    let isFull = method == "full"
    let model = try model(isFull ? [] : [PromptContext.name], golden)
    let trained =
      isFull
      ? TrainedParameters(of: model, from: 0, embeddings: true) : TrainedParameters(additionsTo: model, as: .text)
    let (gradients, prompts) = (trained.makeStore(model.parameters.layout), try golden.prompts())
    let step =
      isFull
      ? SkipTuningStep(whole: model, nil, prompts: prompts, gradients: gradients, by: product)
      : SkipTuningStep(contextOf: model, prompts: prompts, gradients: gradients, by: product)
    let (labels, stage) = (try golden.integers("labels"), isFull ? ImageStage.pixels : .projected)
    let layout = model.imageLayout(count: labels.count, at: stage)
    let x = Tensor(uninitialized: [layout.tokenCount, model.imageColumns(at: stage)])
    model.imageInputs(try golden.tensor("pixel_values"), into: x, at: stage, arena: Arena(), by: product)
    let outcome = try step.run(
      images: PrefixFeatures(x, layout), labels: labels, globalBatch: labels.count, step: 0,
      exchange: WholeBatch())
    return (outcome.losses.reduce(0, +), gradients)
  }

  private static func golden(_ name: String) throws -> SafetensorsFile {
    try Goldens.tensors("methods/\(name).safetensors")
  }

  /// The model with the golden's own parameters of these names.
  private static func model(_ names: [String], _ golden: SafetensorsFile) throws -> CLIP {
    let additions = try names.map { ParameterLayout.Addition($0, try golden.tensor($0).shape) }
    let model = try CLIP(huggingFaceFolder: Goldens.url("towers/model-gelu"), adding: additions)
    for name in names { model.parameters[name]!.copy(from: try golden.tensor(name)) }
    return model
  }

  /// Runs two steps, so that what the first one left in memory would show, and compares the loss.
  private static func expect(
    _ step: any TrainingStep, _ model: CLIP, _ stage: ImageStage, _ golden: SafetensorsFile
  ) throws {
    let labels = try golden.integers("labels")
    let layout = model.imageLayout(count: labels.count, at: stage)
    for _ in 0..<2 {
      let x = Tensor(uninitialized: [layout.tokenCount, model.imageColumns(at: stage)])
      model.imageInputs(
        try golden.tensor("pixel_values"), into: x, at: stage, arena: Arena(), by: product)
      let outcome = try step.run(
        images: PrefixFeatures(x, layout), labels: labels, globalBatch: labels.count, step: 0,
        exchange: WholeBatch())
      let loss = outcome.losses.reduce(0, +) / Double(outcome.losses.count)
      #expect(abs(loss / Double(try golden.tensor("loss")[0]) - 1) < 5e-6)
      #expect(outcome.keptClasses == Array(0..<(try golden.integers("lengths").count)))
    }
  }
}
