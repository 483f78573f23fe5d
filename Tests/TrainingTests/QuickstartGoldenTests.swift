import CLIPModel
import Datasets
import Foundation
import MatrixBackends
import Safetensors
import SkipTuning
import Tensors
import TestSupport
import Testing

/// The quick start's model against Hugging Face and autograd (Tests/Reference/quickstart_goldens.py): from files and
/// texts to features, and every gradient.
///
/// rounding.json: PyTorch's own float32 is up to 3.5e-7 (features) and 3.4e-6 (gradients) away from its float64.
@Suite struct QuickstartGoldenTests {
  static let product = MachineProduct(threads: 2)
  static let folder = Goldens.repositoryRoot.appendingPathComponent("configs/quickstart")

  @Test func imageFilesGiveHuggingFacesFeatures() throws {
    let golden = try Goldens.tensors("quickstart/features.safetensors")
    let names = try JSONDecoder().decode([String].self, from: Data(try #require(golden.metadata["images"]).utf8))
    let modelFolder = Self.folder.appendingPathComponent("model")
    let model = try CLIP(huggingFaceFolder: modelFolder)
    let preprocessing = try ImagePreprocessing(
      huggingFaceFolder: modelFolder, imageSize: model.configuration.imageSize)
    let transform = ImageTransform(
      resizeSize: preprocessing.resizeSize, cropSize: preprocessing.cropSize, mean: preprocessing.mean,
      std: preprocessing.standardDeviation, augmentation: nil)
    let loader = ImageLoader(
      requests: names.map {
        ImageRequest(url: Self.folder.appendingPathComponent("data/mnist/images/\($0)"), stream: (0, 0))
      }, batchSize: names.count, transform: transform, seed: 0, threads: 1, lookahead: 1)
    let pixels = try #require(try loader.next()).pixels
    #expect(relativeError(pixels, try golden.tensor("pixel_values")) < 1e-6)
    let features = model.imageFeatures(pixels, arena: Arena(), by: Self.product)
    #expect(relativeError(features, try golden.tensor("image.features")) < 1e-5)
  }

  @Test func textsGiveHuggingFacesTokensAndFeatures() throws {
    let golden = try Goldens.tensors("quickstart/features.safetensors")
    let texts = try JSONDecoder().decode([String].self, from: Data(try #require(golden.metadata["texts"]).utf8))
    let modelFolder = Self.folder.appendingPathComponent("model")
    let model = try CLIP(huggingFaceFolder: modelFolder)
    let tokenizer = try CLIPTokenizer(huggingFaceFolder: modelFolder)
    let prompts = texts.map(tokenizer.tokens)
    #expect(prompts == (try Self.prompts(golden, endToken: tokenizer.endToken)))
    let features = model.textFeatures(prompts, arena: Arena(), by: Self.product)
    #expect(relativeError(features, try golden.tensor("text.features")) < 1e-5)
  }

  @Test(arguments: [5, 6]) func everyGradientMatchesAutograd(startLayer: Int) throws {
    let golden = try Goldens.tensors("quickstart/gradients-omega-\(startLayer).safetensors")
    let modelFolder = Self.folder.appendingPathComponent("model")
    let model = try CLIP(huggingFaceFolder: modelFolder)
    let prompts = try Self.prompts(golden, endToken: Int32(model.configuration.vocabularySize - 1))
    let labels = try golden.integers("labels")
    let trained = TrainedParameters(of: model, from: startLayer)
    let step = SkipTuningStep(
      model, trained, ClassSkip(classCount: prompts.count, ClassSkip.Settings(ratio: 1), seed: 0),
      textPrefix: model.textPrefix(prompts, upTo: startLayer, arena: Arena(), by: Self.product), by: Self.product)
    let layout = model.imagePrefixLayout(count: labels.count, upTo: startLayer)
    let x = Tensor(uninitialized: [layout.tokenCount, model.imageTower.width])
    model.imagePrefix(
      try golden.tensor("pixel_values"), into: x, upTo: startLayer, arena: Arena(), by: Self.product)
    let outcome = try step.run(
      images: PrefixFeatures(x, layout), labels: labels, globalBatch: labels.count, step: 0,
      exchange: WholeBatch())

    let loss = outcome.losses.reduce(0, +) / Double(labels.count)
    #expect(abs(loss / Double(try golden.tensor("loss")[0]) - 1) < 1e-5)
    for slot in step.gradients.slots where !slot.name.hasSuffix("k_proj.bias") {
      let truth = try golden.tensor("gradient.\(slot.name)")
      #expect(relativeError(step.gradients[slot.name]!, truth) < 2e-5, "\(slot.name)")
    }
    #expect(golden.names.count { $0.hasPrefix("gradient.") } == step.gradients.slots.count)
  }

  /// Token ids of each row up to its first end token.
  static func prompts(_ golden: SafetensorsFile, endToken: Int32) throws -> [[Int32]] {
    let ids = try golden.integers("token_ids").map(Int32.init)
    let context = try #require(golden.shape(of: "token_ids"))[1]
    return try stride(from: 0, to: ids.count, by: context).map { start in
      let row = ids[start..<start + context]
      return Array(row[...(try #require(row.firstIndex(of: endToken)))])
    }
  }
}
