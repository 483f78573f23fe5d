import CLIPModel
import Kernels
import MatrixBackends
import Safetensors
import Tensors
import TestSupport
import Testing

@testable import SkipTuning

/// What bfloat16 factors cost: features and gradients against those of 32-bit floats.
///
/// A bfloat16 number has 8 bits, so one rounding is off by 2e-3 of it at worst and 1e-3 on average; twelve random blocks
/// with residuals in 32 bits carry that to a few times as much in features, and to more in gradients, which pass the
/// blocks twice.
@Suite(.enabled(if: MachineProduct.Capabilities.here.bfloat16, "this CPU has no bfloat16 arithmetic"))
struct HalfPrecisionTests {
  static let full = MachineProduct(threads: 2)
  static let half = MachineProduct(threads: 2, precision: .bf16)

  @Test(arguments: ["model", "model-gelu"]) func featuresStayClose(folder: String) throws {
    let model = try CLIP(huggingFaceFolder: Goldens.url("towers/\(folder)"))
    let golden = try Goldens.tensors("towers/\(folder)-outputs.safetensors")
    let arena = Arena()
    let (pixels, prompts) = (try golden.tensor("pixel_values"), try golden.prompts())
    let imageError = relativeError(
      model.imageFeatures(pixels, arena: arena, by: Self.half), try golden.tensor("image.features"))
    let textError = relativeError(
      model.textFeatures(prompts, arena: arena, by: Self.half), try golden.tensor("text.features"))
    #expect(imageError < 1e-2 && textError < 1e-2, "image \(imageError), text \(textError)")
    // Rounded before or during the pass: the same numbers.
    let frozen = model.freezing(.image, upTo: model.imageTower.depth, for: Self.half)
    #expect(
      frozen.imageFeatures(pixels, arena: arena, by: Self.half).bits
        == model.imageFeatures(pixels, arena: arena, by: Self.half).bits)
  }

  @Test(arguments: [0, 6, 12]) func gradientsStayClose(startLayer: Int) throws {
    let model = try CLIP(huggingFaceFolder: Goldens.url("towers/model"))
    let golden = try Goldens.tensors("gradients/omega-\(startLayer).safetensors")
    let (truth, rounded) = (
      try Self.gradients(model, golden, startLayer, Self.full), try Self.gradients(model, golden, startLayer, Self.half)
    )
    #expect(abs(rounded.loss / truth.loss - 1) < 1e-2)
    let error = relativeError(rounded.gradients.values, truth.gradients.values)
    #expect(error < 5e-2, "\(error)")
  }

  /// From pixels and tokens to what a context begins with: rounded factors on the whole way, and none of gradients that
  /// nobody wants.
  @Test(arguments: ["full", "prompt-tuning"]) func gradientsOfComparedMethodsStayClose(method: String) throws {
    let golden = try Goldens.tensors("methods/\(method).safetensors")
    let results = try [Self.full, Self.half].map { try MethodTests.outcome(method, golden, by: $0) }
    #expect(abs(results[1].loss / results[0].loss - 1) < 1e-2)
    let error = relativeError(results[1].gradients.values, results[0].gradients.values)
    #expect(error < 5e-2, "\(error)")
  }

  static func gradients(
    _ model: CLIP, _ golden: SafetensorsFile, _ startLayer: Int, _ product: MachineProduct
  ) throws -> (loss: Double, gradients: ParameterStore) {
    let (prompts, labels, arena) = (try golden.prompts(), try golden.integers("labels"), Arena())
    let trained = TrainedParameters(of: model, from: startLayer)
    let step = SkipTuningStep(
      model, trained, ClassSkip(classCount: prompts.count, ClassSkip.Settings(ratio: 1), seed: 0),
      textPrefix: model.textPrefix(prompts, upTo: startLayer, arena: arena, by: product), by: product)
    let layout = model.imagePrefixLayout(count: labels.count, upTo: startLayer)
    let x = Tensor(uninitialized: [layout.tokenCount, model.imageTower.width])
    model.imagePrefix(try golden.tensor("pixel_values"), into: x, upTo: startLayer, arena: arena, by: product)
    let outcome = try step.run(
      images: PrefixFeatures(x, layout), labels: labels, globalBatch: labels.count, step: 0,
      exchange: WholeBatch())
    return (outcome.losses.reduce(0, +), step.gradients)
  }

  /// After its first step, a step asks for no more memory for tensors.
  @Test func laterStepsTakeNoMemory() throws {
    let model = try CLIP(huggingFaceFolder: Goldens.url("towers/model"))
    let golden = try Goldens.tensors("gradients/omega-6.safetensors")
    let (prompts, labels, arena) = (try golden.prompts(), try golden.integers("labels"), Arena())
    for product in [Self.full, Self.half] {
      let step = SkipTuningStep(
        model, TrainedParameters(of: model, from: 6),
        ClassSkip(classCount: prompts.count, ClassSkip.Settings(ratio: 0.5, redraw: .perStep), seed: 0),
        textPrefix: model.textPrefix(prompts, upTo: 6, arena: arena, by: product), by: product)
      let layout = model.imagePrefixLayout(count: labels.count, upTo: 6)
      let x = normalTensor([layout.tokenCount, model.imageTower.width], seed: 8)
      var capacities: [Int] = []
      for number in 0..<6 {
        _ = try step.run(
          images: PrefixFeatures(x, layout), labels: labels, globalBatch: labels.count, step: number,
          exchange: WholeBatch())
        capacities.append(step.arena.capacityInBytes)
      }
      #expect(Set(capacities).count == 1, "\(capacities)")
    }
  }
}
