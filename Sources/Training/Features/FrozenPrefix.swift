import CLIPModel
import Kernels
import ShardFiles
import SkipTuning
import Tensors

/// The frozen part of a model's image encoder up to a stage, and the fingerprint of its weights: what makes features that
/// may be kept.
///
/// The weights must not change afterwards. Used by one thread.
final class FrozenPrefix<Product: MatrixProduct> {
  let model: CLIP
  let stage: ImageStage
  let product: Product
  /// Hashes of the embeddings, of each block, and of what follows them, as far as the stage goes.
  private lazy var parts: [Hash128] = hashes()

  init(_ model: CLIP, _ stage: ImageStage, _ product: Product) {
    (self.model, self.stage, self.product) = (model, stage, product)
  }

  private func hashes() -> [Hash128] {
    let last = Self.lastPart(of: stage, depth: model.imageTower.depth)
    return Self.slots(of: model).prefix(last + 1).map { slots in
      var stream = HashStream()
      for slot in slots {
        stream.append(text: slot.name)
        for extent in slot.shape { stream.append(number: extent) }
        stream.append(UnsafeRawBufferPointer(model.parameters.values(in: slot.range).buffer))
      }
      return stream.hash
    }
  }

  /// The image encoder's parameters in order of depth: embeddings and first norm, each block, last norm, projection.
  private static func slots(of model: CLIP) -> [[ParameterLayout.Slot]] {
    let depth = model.imageTower.depth
    let blocks = (0..<depth).map { "vision_model.encoder.layers.\($0)." }
    let names = [["vision_model.embeddings.", "vision_model.pre_layrnorm."]] + blocks.map { [$0] }
    let all = names + [["vision_model.post_layernorm."], ["visual_projection."]]
    return all.map { prefixes in
      model.parameters.layout.modelSlots.filter { slot in prefixes.contains { slot.name.hasPrefix($0) } }
    }
  }

  /// The last of these that a stage depends on.
  private static func lastPart(of stage: ImageStage, depth: Int) -> Int {
    switch stage {
    case .pixels: -1
    case .block(let layer): layer
    case .pooled: depth + 1
    case .projected: depth + 2
    }
  }

  /// Names the features of images at a stage not behind this one, in a precision, as hash of all that they depend on but
  /// the rounding of libraries; `views` stands for the images as they enter the model.
  func key(_ stage: ImageStage, _ precision: StoragePrecision, views: Hash128, version: String) -> Hash128 {
    var stream = HashStream()
    for text in [
      "prefix features", version, "\(model.configuration)", "\(stage)", "\(product.operandFormat)", precision.rawValue,
      "\(views)",
    ] { stream.append(text: text) }
    for part in parts.prefix(Self.lastPart(of: stage, depth: model.imageTower.depth) + 1) {
      stream.append(text: "\(part)")
    }
    return stream.hash
  }

  /// Floats that an image has at a stage.
  func elements(at stage: ImageStage) -> Int { FeatureStore.elementsPerImage(model, at: stage) }

  /// Room for the features of some images at a stage, cut from the arena.
  func room(_ count: Int, at stage: ImageStage, _ arena: Arena) -> Tensor {
    arena.tensor([model.imageLayout(count: count, at: stage).tokenCount, model.imageColumns(at: stage)])
  }

  /// Blocks whose input lies before the stage, the deepest first.
  var shallowerBlocks: [Int] {
    switch stage {
    case .pixels: []
    case .block(let layer): (0..<layer).reversed()
    case .pooled, .projected: (0...model.imageTower.depth).reversed()
    }
  }
}

extension ImageStage {
  /// In words: `block 6`.
  var words: String {
    switch self {
    case .pixels: "pixels"
    case .block(let layer): "block \(layer)"
    case .pooled: "pooled"
    case .projected: "projected"
    }
  }
}
