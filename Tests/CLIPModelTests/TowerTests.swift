import CLIPModel
import Kernels
import MatrixBackends
import Safetensors
import Tensors
import TestSupport
import Testing

/// Hidden states and features of both encoders against Hugging Face's `CLIPModel` (Tests/Reference/towers_goldens.py).
///
/// rounding.json says that PyTorch's own float32 features are up to 5e-7 away from its float64 ones; 1e-5 allows another
/// order of summation, and is the project's promise.
@Suite struct TowerTests {
  static let tolerance = 1e-5
  static let product = MachineProduct(threads: 2)

  @Test(arguments: ["model", "model-gelu", "model-gelu-bf16"])
  func imageEncoderMatchesHuggingFace(name: String) throws {
    let model = try CLIP(huggingFaceFolder: Goldens.url("towers/\(name)"))
    let golden = try Goldens.tensors("towers/\(name)-outputs.safetensors")
    let pixels = try golden.tensor("pixel_values")
    let arena = Arena()
    let layout = model.imageEmbedding.layout(count: pixels.shape[0])
    let x = Tensor(uninitialized: [layout.tokenCount, model.imageTower.width])
    model.imageEmbedding.forward(pixels, into: x, arena: arena, by: Self.product)
    for layer in 0...model.imageTower.depth {
      let truth = try golden.tensor("image.hidden.\(layer)")
      #expect(relativeError(x, truth) < Self.tolerance, "input of block \(layer)")
      guard layer < model.imageTower.depth else { break }
      model.imageTower.extract(x, layout, layers: layer..<layer + 1, arena: arena, by: Self.product)
    }
    let features = model.imageTower.features(x, layout, from: model.imageTower.depth, arena: arena, by: Self.product)
    #expect(relativeError(features, try golden.tensor("image.features")) < Self.tolerance)
  }

  @Test(arguments: ["model", "model-gelu", "model-gelu-bf16"])
  func textEncoderMatchesHuggingFace(name: String) throws {
    let model = try CLIP(huggingFaceFolder: Goldens.url("towers/\(name)"))
    let golden = try Goldens.tensors("towers/\(name)-outputs.safetensors")
    let prompts = try golden.prompts()
    let arena = Arena()
    let layout = model.textEmbedding.layout(prompts)
    let x = Tensor(uninitialized: [layout.tokenCount, model.textTower.width])
    model.textEmbedding.forward(prompts, layout, into: x)
    let rows = prompts.indices.flatMap { layout.rows(of: $0) }
    for layer in 0...model.textTower.depth {
      let truth = try golden.tensor("text.hidden.\(layer)")
      #expect(relativeError(x.gathered(rows: rows), truth) < Self.tolerance, "input of block \(layer)")
      guard layer < model.textTower.depth else { break }
      model.textTower.extract(x, layout, layers: layer..<layer + 1, arena: arena, by: Self.product)
    }
    let features = model.textTower.features(x, layout, from: model.textTower.depth, arena: arena, by: Self.product)
    #expect(relativeError(features, try golden.tensor("text.features")) < Self.tolerance)
  }

  @Test func logitsMatchHuggingFace() throws {
    let model = try CLIP(huggingFaceFolder: Goldens.url("towers/model"))
    let golden = try Goldens.tensors("towers/model-outputs.safetensors")
    let arena = Arena()
    let (images, texts) = (try golden.tensor("image.features"), try golden.tensor("text.features"))
    Normalization.forward(images, into: images, norm: arena.tensor([images.rowCount]))
    Normalization.forward(texts, into: texts, norm: arena.tensor([texts.rowCount]))
    #expect(relativeError(images, try golden.tensor("image.normalised")) < Self.tolerance)
    let logits = Tensor(uninitialized: [images.rowCount, texts.rowCount])
    Self.product.multiply(MatrixView(images), MatrixView(texts).transposed, into: MatrixView(logits))
    for index in 0..<logits.count { logits[index] *= model.logitScale }
    #expect(relativeError(logits, try golden.tensor("logits")) < Self.tolerance)
  }
}
