import Diagnostics
import Foundation
import Kernels
import StrictJSON

/// Reading of `open_clip_config.json`; absent keys have open_clip's defaults.
extension CLIPConfiguration {
  /// Reads the part `model_cfg`.
  ///
  /// Throws `.missingInput` when there is no such file and `.badData` for sizes that do not divide, and for every choice that
  /// makes another model than this program computes: other encoders than its own transformers, other pooling, options that
  /// are not known here.
  init(openCLIP file: URL) throws {
    let whole = try JSONSection(contentsOf: file, limit: Self.largestFile).section("model_cfg")
    try whole.judgeKeys(
      known: ["embed_dim", "vision_cfg", "text_cfg", "quick_gelu", "init_logit_scale"],
      neutral: ["custom_text": .bool(true)])
    let vision = try whole.section("vision_cfg")
    try vision.judgeKeys(known: Self.visionKeys, neutral: ["pool_type": .string("tok")])
    let text = try whole.section("text_cfg")
    try text.judgeKeys(known: Self.textKeys, neutral: [:])
    let imageSize = try vision.side("image_size", default: 224, in: 1...8192)
    let patchSize = try vision.side("patch_size", default: 16, in: 1...imageSize)
    guard imageSize % patchSize == 0, imageSize / patchSize <= 256 else {
      throw vision.failure("image_size", "\(imageSize) is not at most 256 patches of \(patchSize)")
    }
    let epsilon = try Self.epsilon(of: vision)
    guard try Self.epsilon(of: text) == epsilon else {
      throw text.failure("norm_kwargs", "differs from the image encoder's, which is not supported")
    }
    let width = try vision.integer("width", default: 768, in: Self.openCLIPWidths)
    let headWidth = try vision.integer("head_width", default: 64, in: 1...width)
    guard width % headWidth == 0 else {
      throw vision.failure("width", "\(width) is not a multiple of the head width \(headWidth)")
    }
    self.init(
      vision: try vision.tower(width: width, headCount: width / headWidth), imageSize: imageSize, patchSize: patchSize,
      text: try Self.textTower(text), contextLength: try text.integer("context_length", default: 77, in: 2...(1 << 16)),
      vocabularySize: try text.integer("vocab_size", default: 49408, in: 2...(1 << 24)),
      embeddingWidth: try whole.integer("embed_dim", default: 512, in: Self.openCLIPWidths),
      activation: whole["quick_gelu"] == .bool(true) ? .quickGELU : .gelu, layerNormEpsilon: epsilon,
      eosTokenID: try Self.endToken(text))
  }

  private static let openCLIPWidths = 1...(1 << 16)
  private static let visionKeys: Set<String> = [
    "image_size", "patch_size", "layers", "width", "head_width", "mlp_ratio", "norm_kwargs", "patch_dropout",
  ]
  private static let textKeys: Set<String> = [
    "context_length", "vocab_size", "layers", "width", "heads", "mlp_ratio", "norm_kwargs", "pool_type", "eos_id",
    "tokenizer_kwargs",
  ]

  private static func textTower(_ text: JSONSection) throws -> Tower {
    let width = try text.integer("width", default: 512, in: openCLIPWidths)
    let heads = try text.integer("heads", default: 8, in: 1...1024)
    guard width % heads == 0 else { throw text.failure("width", "\(width) is not a multiple of \(heads) heads") }
    return try text.tower(width: width, headCount: heads)
  }

  private static func epsilon(of section: JSONSection) throws -> Float {
    let epsilon = Float(try section.section("norm_kwargs").number("eps", default: 1e-5))
    guard epsilon > 0, epsilon <= 0.1 else {
      throw section.failure("norm_kwargs.eps", "must be above 0 and at most 0.1")
    }
    return epsilon
  }

  /// Where a text's feature is read: at the highest token, nil, or at a token that is named.
  private static func endToken(_ text: JSONSection) throws -> Int? {
    switch try text.string("pool_type", default: "argmax") {
    case "argmax": return nil
    case "eos": return try text.integer("eos_id", default: 2, in: 0...(1 << 24))
    case let other: throw text.failure("pool_type", "is \(quoted(other)); supported are argmax and eos")
    }
  }
}

extension JSONSection {
  /// Throws for a key that is not `known`, unless it is switched off or has its `neutral` value.
  fileprivate func judgeKeys(known: Set<String>, neutral: [String: JSONValue]) throws {
    for key in keys where !known.contains(key) {
      let value = self[key] ?? .null
      guard value == .null || value == .bool(false) || value == neutral[key] else {
        throw failure(
          key, "makes a model that is not supported",
          remedy: "skiptune reads open_clip's models that are built as OpenAI's")
      }
    }
  }

  /// Blocks, and the width of the MLP, which open_clip multiplies and cuts off.
  fileprivate func tower(width: Int, headCount: Int) throws -> CLIPConfiguration.Tower {
    let ratio = try number("mlp_ratio", default: 4)
    guard ratio > 0, ratio <= 64, Double(width) * ratio >= 1 else {
      throw failure("mlp_ratio", "must be above 0 and at most 64")
    }
    guard self["layers"]?.elements == nil else {
      throw failure("layers", "is a list, as of a ResNet", remedy: "use a model with ViT in its name")
    }
    return CLIPConfiguration.Tower(
      depth: try integer("layers", default: 12, in: 1...1024), width: width, headCount: headCount,
      mlpWidth: Int(Double(width) * ratio))
  }
}
