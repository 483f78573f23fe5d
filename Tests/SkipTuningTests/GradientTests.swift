import CLIPModel
import MatrixBackends
import Safetensors
import SkipTuning
import Tensors
import TestSupport
import Testing

/// Loss and every named gradient against autograd on Hugging Face's `CLIPModel` (Tests/Reference/gradients_goldens.py).
///
/// rounding.json: PyTorch's own float32 gradients are up to 4.3e-6 away from its float64 ones, relative to each tensor's
/// length; 2e-5 allows another order of summation. A key bias has no gradient but rounding, since softmax ignores it:
/// it must be small beside the query bias's.
@Suite struct GradientTests {
  static let product = MachineProduct(threads: 2)

  @Test(arguments: [
    ("model", "omega-0", 0), ("model", "omega-6", 6), ("model", "omega-12", 12), ("model-gelu", "gelu-omega-1", 1),
  ])
  func everyGradientMatchesAutograd(folder: String, file: String, startLayer: Int) throws {
    let model = try CLIP(huggingFaceFolder: Goldens.url("towers/\(folder)"))
    let golden = try Goldens.tensors("gradients/\(file).safetensors")
    let trained = TrainedParameters(of: model, from: startLayer)
    let kept = try golden.integers("kept_classes")
    let outcome = try Self.step(model, trained, golden, kept: kept)

    #expect(outcome.keptClasses == kept)
    let loss = outcome.losses.reduce(0, +) / Double(outcome.losses.count)
    #expect(abs(loss / Double(try golden.tensor("loss")[0]) - 1) < 5e-6)
    try Self.expectGradients(outcome.gradients, golden)
  }

  /// Activations that are made once more in the backward pass are those that would have been kept, to the bit.
  @Test(arguments: [("model", "omega-0", 0), ("model", "omega-6", 6), ("model-gelu", "gelu-omega-1", 1)])
  func recomputingChangesNoBit(folder: String, file: String, startLayer: Int) throws {
    let model = try CLIP(huggingFaceFolder: Goldens.url("towers/\(folder)"))
    let golden = try Goldens.tensors("gradients/\(file).safetensors")
    let trained = TrainedParameters(of: model, from: startLayer)
    let kept = try golden.integers("kept_classes")
    let usual = try Self.step(model, trained, golden, kept: kept)
    let other = try Self.step(model.recomputing(), trained, golden, kept: kept)
    #expect(usual.losses == other.losses)
    #expect(Array(usual.gradients.values.buffer) == Array(other.gradients.values.buffer))
  }

  /// Runs one step whose mask keeps exactly the golden's classes.
  static func step(
    _ model: CLIP, _ trained: TrainedParameters, _ golden: SafetensorsFile, kept: [Int]
  ) throws -> (losses: [Double], keptClasses: [Int], gradients: ParameterStore) {
    let prompts = try golden.prompts()
    let labels = try golden.integers("labels")
    let arena = Arena()
    let classSkip = ClassSkip(
      classCount: prompts.count, ClassSkip.Settings(ratio: 0.01), seed: 0,
      mask: prompts.indices.map { $0 < kept.count })
    let step = SkipTuningStep(
      model, trained, classSkip,
      textPrefix: model.textPrefix(prompts, upTo: trained.startLayer, arena: arena, by: product), by: product)
    let pixels = try golden.tensor("pixel_values")
    let layout = model.imagePrefixLayout(count: labels.count, upTo: trained.startLayer)
    let x = Tensor(uninitialized: [layout.tokenCount, model.imageTower.width])
    model.imagePrefix(pixels, into: x, upTo: trained.startLayer, arena: arena, by: product)
    let outcome = try step.run(
      images: PrefixFeatures(x, layout), labels: labels, globalBatch: labels.count, step: 0,
      exchange: GivenClasses(kept: kept, gradients: step.gradients))
    return (outcome.losses, outcome.keptClasses, step.gradients)
  }

  static func expectGradients(_ gradients: ParameterStore, _ golden: SafetensorsFile) throws {
    let prefix = "gradient."
    let names = golden.names.filter { $0.hasPrefix(prefix) }.map { String($0.dropFirst(prefix.count)) }
    #expect(Set(names) == Set(gradients.slots.map(\.name)), "exactly the post-skip parameters are trained")
    for name in names {
      let gradient = try #require(gradients[name])
      let truth = try golden.tensor(prefix + name)
      if name.hasSuffix("k_proj.bias") {
        let query = try golden.tensor(prefix + name.replacing("k_proj", with: "q_proj"))
        #expect(length(gradient) < 1e-5 * length(query), "\(name)")
      } else {
        #expect(relativeError(gradient, truth) < 2e-5, "\(name)")
      }
    }
  }

  static func length(_ tensor: Tensor) -> Float {
    tensor.buffer.reduce(0) { $0 + $1 * $1 }.squareRoot()
  }
}

/// The whole batch, but a given set of classes ranks first: the golden's.
private struct GivenClasses: BatchExchange {
  let kept: [Int]
  let gradients: ParameterStore

  func maximumOverBatch(_ scores: inout [Float]) {
    for index in scores.indices { scores[index] = kept.contains(index) ? ClassSkip.ownClassScore : 0 }
  }
  func textShare(tokens: [Int]) -> Range<Int> { tokens.indices }
  func completeTexts(_ features: Tensor, tokens: [Int]) {}
  func goesOn(losses: [Double]) -> Bool { true }
  func startTextGradients(_ gradients: Tensor, tokens: [Int]) {}
  func finishTextGradients(_ gradients: Tensor) {}
  // What the step does not write is seen.
  func begin() { gradients.values.fill(.nan) }
  func willUse(_ encoder: Encoder, layer: Int) {}
  func gradientsReady(_ encoder: Encoder, layer: Int) {}
  func gradientsAreZero(_ encoder: Encoder, layer: Int) { Issue.record("there are gradients") }
}
