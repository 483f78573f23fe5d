import Files
import Foundation
import Kernels
import Safetensors
import StrictJSON
import Tensors

/// A model as a folder that open_clip loads: `create_model_from_pretrained("local-dir:FOLDER")`.
///
/// The weights carry the names of OpenAI's published ones, so other programs that know those can read them too.
public enum OpenCLIPFolder {
  static let configurationName = "open_clip_config.json"

  /// Writes `open_clip_model.safetensors` (fp32) and `open_clip_config.json`; `weights` lie in the flat order of the
  /// configuration's layout.
  ///
  /// The folder is there whole or not at all. Memory is that of one tensor, or two for a projection. Throws as
  /// `HuggingFaceFolder.write`.
  public static func write(
    _ weights: some VectorSource, _ configuration: CLIPConfiguration, _ preprocessing: ImagePreprocessing,
    to folder: URL
  ) throws {
    let parameters = ParameterLayout(configuration).openCLIPParameters
    try AtomicFolder.create(folder) { aside in
      try AtomicFile.write(
        Data((JSONText.pretty(json(configuration, preprocessing)) + "\n").utf8),
        to: aside.appendingPathComponent(configurationName))
      try SafetensorsWriter.write(
        parameters.map { SafetensorsWriter.Declaration(name: $0.name, shape: $0.shape) }, metadata: ["format": "pt"],
        to: aside.appendingPathComponent("open_clip_model.safetensors")
      ) { index in
        let parameter = parameters[index]
        guard parameter.isTransposed else { return try weights.tensor(parameter.range, shape: parameter.shape) }
        return transposed(try weights.tensor(parameter.range, shape: parameter.shape.reversed()))
      }
    }
  }

  private static func transposed(_ matrix: Tensor) -> Tensor {
    let (rows, columns) = (matrix.rowCount, matrix.columnCount)
    let result = Tensor(uninitialized: [columns, rows])
    for row in 0..<rows {
      for column in 0..<columns { result.pointer[column * rows + row] = matrix.pointer[row * columns + column] }
    }
    return result
  }
}

// MARK: - Configuration

extension OpenCLIPFolder {
  static func json(_ configuration: CLIPConfiguration, _ preprocessing: ImagePreprocessing) -> JSONValue {
    .object([
      JSONMember(
        "model_cfg",
        .object([
          JSONMember("embed_dim", .integer(configuration.embeddingWidth)),
          JSONMember("quick_gelu", .bool(configuration.activation == .quickGELU)),
          JSONMember("vision_cfg", .object(vision(configuration))),
          JSONMember("text_cfg", .object(text(configuration))),
        ])),
      JSONMember(
        "preprocess_cfg",
        .object([
          JSONMember("mean", numbers(preprocessing.mean)), JSONMember("std", numbers(preprocessing.standardDeviation)),
          JSONMember("interpolation", .string("bicubic")), JSONMember("resize_mode", .string("shortest")),
        ])),
    ])
  }

  private static func vision(_ configuration: CLIPConfiguration) -> [JSONMember] {
    let tower = configuration.vision
    return [
      JSONMember("image_size", .integer(configuration.imageSize)),
      JSONMember("patch_size", .integer(configuration.patchSize)),
      JSONMember("layers", .integer(tower.depth)), JSONMember("width", .integer(tower.width)),
      JSONMember("head_width", .integer(tower.headWidth)),
    ] + shared(tower, configuration)
  }

  private static func text(_ configuration: CLIPConfiguration) -> [JSONMember] {
    let tower = configuration.text
    var members = [
      JSONMember("context_length", .integer(configuration.contextLength)),
      JSONMember("vocab_size", .integer(configuration.vocabularySize)),
      JSONMember("layers", .integer(tower.depth)), JSONMember("width", .integer(tower.width)),
      JSONMember("heads", .integer(tower.headCount)),
    ]
    // By default the feature is read at the highest token; 2 is what old files say and means the same.
    if let end = configuration.eosTokenID, end != 2, end != configuration.vocabularySize - 1 {
      members += [JSONMember("pool_type", .string("eos")), JSONMember("eos_id", .integer(end))]
    }
    return members + shared(tower, configuration)
  }

  private static func shared(_ tower: CLIPConfiguration.Tower, _ configuration: CLIPConfiguration) -> [JSONMember] {
    var members: [JSONMember] = []
    if tower.mlpWidth != 4 * tower.width {
      // open_clip multiplies and cuts off the fraction.
      var ratio = Double(tower.mlpWidth) / Double(tower.width)
      while Int(Double(tower.width) * ratio) < tower.mlpWidth { ratio = ratio.nextUp }
      members.append(JSONMember("mlp_ratio", .number(ratio)))
    }
    if configuration.layerNormEpsilon != 1e-5 {
      members.append(
        JSONMember("norm_kwargs", .object([JSONMember("eps", .number(Double(configuration.layerNormEpsilon)))])))
    }
    return members
  }

  private static func numbers(_ values: [Float]) -> JSONValue { .array(values.map { .number(Double("\($0)")!) }) }
}
