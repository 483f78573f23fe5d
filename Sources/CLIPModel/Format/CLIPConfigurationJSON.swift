import Diagnostics
import Files
import Foundation
import Kernels
import StrictJSON

/// Reading and writing of Hugging Face's `config.json`.
///
/// Absent keys have the defaults of transformers' `CLIPConfig`, `CLIPTextConfig` and `CLIPVisionConfig`.
extension CLIPConfiguration {
  /// Larger files are not configurations.
  static let largestFile = 16 << 20
  private static let widths = 1...(1 << 16)

  /// Reads `config.json` of a folder in the form of Hugging Face.
  ///
  /// Throws `.missingInput` when there is no such file and `.badData` when it describes no CLIP this program can run: another
  /// model type, sizes that do not divide, an unknown activation, towers that differ in activation or epsilon.
  public init(huggingFaceFolder: URL) throws {
    let url = huggingFaceFolder.appendingPathComponent("config.json")
    let whole = try JSONSection(contentsOf: url, limit: Self.largestFile)
    try Self.checkModelType(whole)
    let vision = try Self.towerSection("vision_config", of: whole)
    let text = try Self.towerSection("text_config", of: whole)
    let (activation, epsilon) = try Self.sharedChoices(vision, text)
    let (imageSize, patchSize) = try Self.imageSizes(vision)
    self.init(
      vision: try Self.tower(vision, width: 768, headCount: 12, mlpWidth: 3072),
      imageSize: imageSize, patchSize: patchSize,
      text: try Self.tower(text, width: 512, headCount: 8, mlpWidth: 2048),
      contextLength: try text.integer("max_position_embeddings", default: 77, in: 2...(1 << 16)),
      vocabularySize: try text.integer("vocab_size", default: 49408, in: 2...(1 << 24)),
      embeddingWidth: try whole.integer("projection_dim", default: 512, in: Self.widths),
      activation: activation, layerNormEpsilon: epsilon,
      eosTokenID: text["eos_token_id"] == .null
        ? nil : try text.integer("eos_token_id", default: 49407, in: 0...(1 << 24)))
  }

  private static func checkModelType(_ whole: JSONSection) throws {
    let type = try whole.string("model_type", default: "")
    guard type == "clip" else {
      throw whole.failure(
        "model_type", type.isEmpty ? "is missing" : "is \(quoted(type)), not \"clip\"",
        remedy: "give the folder of a whole CLIP (image and text tower) saved by transformers")
    }
  }

  /// `vision_config` or `text_config`.
  ///
  /// Where an old file has the same name with `_dict` after it, transformers lets that one
  /// win, with defaults for the keys it lacks.
  private static func towerSection(_ key: String, of whole: JSONSection) throws -> JSONSection {
    let old = key + "_dict"
    return try whole.section((whole[old] ?? .null) == .null ? key : old)
  }

  private static func tower(_ section: JSONSection, width: Int, headCount: Int, mlpWidth: Int) throws -> Tower {
    let tower = Tower(
      depth: try section.integer("num_hidden_layers", default: 12, in: 1...1024),
      width: try section.integer("hidden_size", default: width, in: widths),
      headCount: try section.integer("num_attention_heads", default: headCount, in: 1...1024),
      mlpWidth: try section.integer("intermediate_size", default: mlpWidth, in: 1...(1 << 18)))
    guard tower.width % tower.headCount == 0 else {
      throw section.failure("hidden_size", "\(tower.width) is not a multiple of \(tower.headCount) attention heads")
    }
    return tower
  }

  private static func imageSizes(_ section: JSONSection) throws -> (imageSize: Int, patchSize: Int) {
    _ = try section.integer("num_channels", default: 3, in: 3...3)
    let imageSize = try section.side("image_size", default: 224, in: 1...8192)
    let patchSize = try section.side("patch_size", default: 32, in: 1...imageSize)
    guard imageSize % patchSize == 0 else {
      throw section.failure("image_size", "\(imageSize) is not a multiple of the patch size \(patchSize)")
    }
    guard imageSize / patchSize <= 256 else {
      throw section.failure("patch_size", "\(patchSize) cuts an image of \(imageSize) into more than 256 x 256 patches")
    }
    return (imageSize, patchSize)
  }

  private static func sharedChoices(
    _ vision: JSONSection, _ text: JSONSection
  ) throws -> (activation: Activation, layerNormEpsilon: Float) {
    let activation = try activation(vision)
    guard try Self.activation(text) == activation else {
      throw text.failure("hidden_act", "differs from the image tower's \(activation.rawValue), which is not supported")
    }
    let epsilon = try epsilon(vision)
    guard try Self.epsilon(text) == epsilon else {
      throw text.failure("layer_norm_eps", "differs from the image tower's \(epsilon), which is not supported")
    }
    return (activation, epsilon)
  }

  private static func activation(_ section: JSONSection) throws -> Activation {
    let name = try section.string("hidden_act", default: Activation.quickGELU.rawValue)
    if let activation = Activation(rawValue: name) { return activation }
    let known = Activation.allCases.map(\.rawValue).joined(separator: ", ")
    throw section.failure("hidden_act", "is \(quoted(name)); supported are \(known)")
  }

  private static func epsilon(_ section: JSONSection) throws -> Float {
    let epsilon = Float(try section.number("layer_norm_eps", default: 1e-5))
    guard epsilon > 0, epsilon <= 0.1 else {
      throw section.failure("layer_norm_eps", "must be above 0 and at most 0.1")
    }
    return epsilon
  }
}

// MARK: - Writing

extension CLIPConfiguration {
  /// The content of `config.json` for a model that was tuned from the one in `base` and is stored in fp32.
  ///
  /// Everything that the base's file says stays, also what skiptune has no use for; only the element type is new. Throws
  /// `Failure` where the base's file cannot be read.
  static func tunedJSON(base: URL) throws -> Data {
    let file = base.appendingPathComponent("config.json")
    let content = try JSONValue(parsing: SmallFile.bytes(of: file, limit: largestFile), file: file.path)
    // Hugging Face renamed the key; a file with the old one is read by old and new versions.
    let typeKeys = ["torch_dtype", "dtype"]
    let members = (content.members ?? []).map { member in
      typeKeys.contains(member.key) ? JSONMember(member.key, .string("float32")) : member
    }
    return Data((JSONText.pretty(.object(members)) + "\n").utf8)
  }

  /// The content of `config.json` for this model, stored in fp32.
  var huggingFaceJSON: Data {
    let members = [
      JSONMember("architectures", .array([.string("CLIPModel")])), JSONMember("model_type", .string("clip")),
      JSONMember("projection_dim", .integer(embeddingWidth)), JSONMember("torch_dtype", .string("float32")),
      JSONMember(
        "text_config",
        .object(
          [
            JSONMember("model_type", .string("clip_text_model")), JSONMember("vocab_size", .integer(vocabularySize)),
            JSONMember("max_position_embeddings", .integer(contextLength)),
            // 2 is what Hugging Face's code takes to mean the highest token, as in OpenAI's own folders there.
            JSONMember("bos_token_id", .integer(0)), JSONMember("eos_token_id", .integer(eosTokenID ?? 2)),
            JSONMember("pad_token_id", .integer(1)),
          ] + members(of: text))),
      JSONMember(
        "vision_config",
        .object(
          [
            JSONMember("model_type", .string("clip_vision_model")), JSONMember("image_size", .integer(imageSize)),
            JSONMember("patch_size", .integer(patchSize)),
          ] + members(of: vision))),
    ]
    return Data((JSONText.pretty(.object(members)) + "\n").utf8)
  }

  private func members(of tower: Tower) -> [JSONMember] {
    [
      JSONMember("hidden_size", .integer(tower.width)), JSONMember("intermediate_size", .integer(tower.mlpWidth)),
      JSONMember("num_attention_heads", .integer(tower.headCount)),
      JSONMember("num_hidden_layers", .integer(tower.depth)), JSONMember("projection_dim", .integer(embeddingWidth)),
      JSONMember("hidden_act", .string(activation.rawValue)),
      JSONMember("layer_norm_eps", .number(Double("\(layerNormEpsilon)")!)),
    ]
  }
}
