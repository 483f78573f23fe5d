import Diagnostics
import Foundation
import Kernels
import TorchArchives

extension ModelSource {
  /// Sizes and choices of the model; where a file beside the weights gives them, weights need not be there.
  ///
  /// Throws `Failure` for what is missing or does not fit together.
  public func configuration() throws -> CLIPConfiguration {
    if form == .huggingFace { return try CLIPConfiguration(huggingFaceFolder: folder) }
    return try WeightsFile(self).configuration
  }

  /// What a source and its tensors say of the model.
  struct Description {
    var configuration: CLIPConfiguration
    /// What the names of all parameters begin with, as after training on several devices.
    var prefix = ""
    /// What was assumed.
    var notes: [String] = []
  }

  /// Reads the configuration, or derives it from the tensors.
  ///
  /// Throws `Failure` for what is missing or does not fit together.
  func describe(_ tensors: any StoredTensors) throws -> Description {
    let prefix = tensors.names.allSatisfy { $0.hasPrefix("module.") } ? "module." : ""
    var description: Description
    switch form {
    case .huggingFace:
      description = Description(configuration: try CLIPConfiguration(huggingFaceFolder: folder), prefix: prefix)
    case .openCLIP:
      let file = folder.appendingPathComponent(OpenCLIPFolder.configurationName)
      description = Description(configuration: try CLIPConfiguration(openCLIP: file), prefix: prefix)
    case .openAI:
      description = Description(
        configuration: try CLIPConfiguration(derivedFrom: tensors, prefix: prefix, activation: .quickGELU),
        prefix: prefix)
      description.notes.append(
        "\(tensors.url.path): sizes are those of the tensors, with a head for each 64 of a width")
    }
    try settleActivation(&description, tensors)
    return description
  }

  /// What the weights themselves tell goes before what is said of them: where they differ, the features would be wrong.
  private func settleActivation(_ description: inout Description, _ tensors: any StoredTensors) throws {
    let traced = (tensors as? TorchArchive).flatMap(Self.tracedActivation)
    let stated = form == .openAI ? nil : description.configuration.activation
    if let given = options.activation, let known = traced ?? stated, given != known {
      throw Failure(
        .usage, at: weights.path, "the model computes with \(known.rawValue), not with \(given.rawValue)",
        remedy: "leave the activation out, or set it to \(known.rawValue)")
    }
    if let traced, let stated, traced != stated {
      throw Failure(
        .badData, at: weights.path,
        "its modules compute with \(traced.rawValue), \(configurationName!) says \(stated.rawValue)",
        remedy: "correct \(configurationName!), or move it away: the archive tells all that it does")
    }
    if form == .openAI {
      description.configuration.activation = try traced ?? options.activation ?? knownActivation()
    }
  }

  /// By the classes of TorchScript's modules; nil where they do not tell.
  private static func tracedActivation(_ archive: TorchArchive) -> Activation? {
    switch (archive.moduleClasses.contains("QuickGELU"), archive.moduleClasses.contains("GELU")) {
    case (true, false): .quickGELU
    case (false, true): .gelu
    default: nil
    }
  }

  /// Of a file that is known by its content.
  private func knownActivation() throws -> Activation {
    if let known = try PublishedWeights.of(file: weights) { return known.activation }
    throw Failure(
      .usage, at: weights.path, "the file does not tell whether the model computes with QuickGELU or GELU",
      remedy: "set model.activation (--activation) to quick_gelu, as for all of OpenAI's weights, or to gelu, as for "
        + "most of open_clip's, or put \(OpenCLIPFolder.configurationName) beside it")
  }
}

// MARK: - Sizes of tensors

extension CLIPConfiguration {
  /// The sizes that tensors under OpenAI's names have; each head has a width of 64, as in all models of OpenAI's.
  ///
  /// Throws `.badData` where they are not those of a CLIP with transformer towers.
  init(derivedFrom tensors: any StoredTensors, prefix: String, activation: Activation) throws {
    let shapes = TensorShapes(tensors: tensors, prefix: prefix)
    guard shapes.tensors.shape(of: prefix + "visual.layer1.0.conv1.weight") == nil else {
      throw shapes.failure("its image encoder is a ResNet", remedy: "use a model with ViT in its name")
    }
    let patches = try shapes.of("visual.conv1.weight", dimensions: 4)
    let positions = try shapes.of("visual.positional_embedding", dimensions: 2)
    let side = Int(Double(positions[0] - 1).squareRoot().rounded())
    guard patches[1] == 3, patches[2] == patches[3], side >= 1, side <= 256, side * side + 1 == positions[0] else {
      throw shapes.failure(
        "visual.conv1.weight \(patches) and visual.positional_embedding \(positions) fit no square image")
    }
    let context = try shapes.of("positional_embedding", dimensions: 2)
    self.init(
      vision: try shapes.tower("visual.transformer", width: patches[0]), imageSize: side * patches[2],
      patchSize: patches[2], text: try shapes.tower("transformer", width: context[1]), contextLength: context[0],
      vocabularySize: try shapes.of("token_embedding.weight", dimensions: 2)[0],
      embeddingWidth: try shapes.of("text_projection", dimensions: 2)[1], activation: activation, eosTokenID: nil)
    // The limits of config.json; a hostile file must not make products of sizes overflow.
    let isInBounds =
      [vision.width, text.width, embeddingWidth, contextLength].allSatisfy { $0 <= 1 << 16 }
      && [vision.mlpWidth, text.mlpWidth].allSatisfy { $0 <= 1 << 18 }
      && [vision.depth, text.depth].allSatisfy { $0 <= 1024 } && imageSize <= 8192 && vocabularySize <= 1 << 24
    guard isInBounds else { throw shapes.failure("its tensors are larger than those of any CLIP") }
    guard contextLength >= 2, vocabularySize >= 2 else {
      throw shapes.failure("its text encoder has no room for texts")
    }
  }
}

private struct TensorShapes {
  let tensors: any StoredTensors
  let prefix: String
  private static let headWidth = 64

  func failure(_ problem: String, remedy: String = "skiptune reads CLIPs with transformer towers") -> Failure {
    Failure(.badData, at: tensors.url.path, problem, remedy: remedy)
  }

  /// Extents, all above 0.
  func of(_ name: String, dimensions: Int) throws -> [Int] {
    guard let shape = tensors.shape(of: prefix + name) else {
      throw failure(
        "tensor \(prefix)\(name) is missing", remedy: "give the weights of a whole CLIP under OpenAI's names")
    }
    guard shape.count == dimensions, shape.allSatisfy({ $0 > 0 }) else {
      throw failure("tensor \(prefix)\(name) has shape \(shape), which is not that of a CLIP's")
    }
    return shape
  }

  func tower(_ name: String, width: Int) throws -> CLIPConfiguration.Tower {
    guard width % Self.headWidth == 0 else {
      throw failure(
        "the width \(width) of \(name) is not a multiple of \(Self.headWidth), so its heads cannot be told",
        remedy: "put \(OpenCLIPFolder.configurationName), which tells them, beside the weights")
    }
    let (start, end) = ("\(prefix)\(name).resblocks.", ".attn.in_proj_weight")
    let depth = tensors.names.count { $0.hasPrefix(start) && $0.hasSuffix(end) }
    return CLIPConfiguration.Tower(
      depth: depth, width: width, headCount: width / Self.headWidth,
      mlpWidth: try of("\(name).resblocks.0.mlp.c_fc.weight", dimensions: 2)[0])
  }
}
