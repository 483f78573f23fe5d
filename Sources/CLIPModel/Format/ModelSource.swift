import Diagnostics
import Files
import Foundation
import Kernels
import Safetensors
import TorchArchives

/// A pretrained CLIP as people have it: a folder or a file, in a form that its content tells.
public struct ModelSource: Sendable {
  /// How parameters are named, and where sizes come from.
  public enum Form: String, Sendable {
    /// Hugging Face's names; `config.json`.
    case huggingFace = "Hugging Face"
    /// OpenAI's names; `open_clip_config.json`.
    case openCLIP = "open_clip"
    /// OpenAI's names; sizes are those of the tensors.
    case openAI = "OpenAI"
  }

  /// What tells where a model is, and what its files leave open.
  public struct Options: Sendable, Equatable {
    /// Tokenizer, where it does not lie beside the weights: a folder or a file.
    public var tokenizer: URL?
    /// The nonlinearity, where files do not tell.
    public var activation: Activation?

    /// What is given; nil for what the files tell.
    public init(tokenizer: URL? = nil, activation: Activation? = nil) {
      self.tokenizer = tokenizer
      self.activation = activation
    }
  }

  /// As the user wrote it.
  public let name: String
  /// How parameters are named, and where sizes come from.
  public let form: Form
  /// Where configuration, tokenizer and preprocessing lie.
  public let folder: URL
  /// The file of the weights, or the index of several.
  public let weights: URL
  /// What the user says of it.
  public let options: Options

  /// A folder in the form of Hugging Face, whatever is in it.
  public init(huggingFaceFolder folder: URL) {
    self.init(name: folder.path, form: .huggingFace, folder: folder, weights: nil, options: Options())
  }

  private init(name: String, form: Form, folder: URL, weights: URL?, options: Options) {
    self.name = name
    self.form = form
    self.folder = folder
    self.weights =
      weights ?? Self.first(Self.huggingFaceWeights, in: folder)
      ?? folder.appendingPathComponent(
        Self.huggingFaceWeights[0])
    self.options = options
  }

  /// Finds a model by its path or by its name in one of the caches of `ModelCaches`, and tells its form.
  ///
  /// Throws `.missingInput` where there is none, `.badData` for a file that is no weights.
  public init(_ name: String, options: Options = Options()) throws {
    let place = try ModelCaches.current.place(of: name)
    var isFolder: ObjCBool = false
    _ = FileManager.default.fileExists(atPath: place.path, isDirectory: &isFolder)
    if isFolder.boolValue {
      try self.init(name: name, in: place, options)
    } else {
      try self.init(name: name, file: place, options)
    }
  }

  /// Name of the file that gives sizes; nil where the tensors do.
  var configurationName: String? {
    switch form {
    case .huggingFace: "config.json"
    case .openCLIP: OpenCLIPFolder.configurationName
    case .openAI: nil
    }
  }

  func openWeights() throws -> any StoredTensors {
    if weights.lastPathComponent.hasSuffix(".index.json") { return try ShardedSafetensors(index: weights) }
    return try Self.open(weights)
  }
}

// MARK: - Recognition

extension ModelSource {
  private static let huggingFaceWeights = ["model.safetensors", "model.safetensors.index.json", "pytorch_model.bin"]
  private static let openCLIPWeights = ["open_clip_model.safetensors", "open_clip_pytorch_model.bin"]
  private static let torchSuffixes: Set<String> = ["pt", "pth", "bin"]

  private static func first(_ names: [String], in folder: URL) -> URL? {
    names.map { folder.appendingPathComponent($0) }.first { FileManager.default.fileExists(atPath: $0.path) }
  }

  /// By the names of the files in a folder; both forms may lie in one, and then Hugging Face's counts.
  private init(name: String, in folder: URL, _ options: Options) throws {
    let hasConfiguration = Self.first(["config.json"], in: folder) != nil
    if hasConfiguration, let weights = Self.first(Self.huggingFaceWeights, in: folder) {
      self.init(name: name, form: .huggingFace, folder: folder, weights: weights, options: options)
    } else if let weights = Self.first(Self.openCLIPWeights, in: folder) {
      try self.init(name: name, file: weights, options)
    } else if !hasConfiguration, let only = Self.onlyWeights(in: folder) {
      try self.init(name: name, file: only, options)
    } else {
      self.init(name: name, form: .huggingFace, folder: folder, weights: nil, options: options)
    }
  }

  private static func onlyWeights(in folder: URL) -> URL? {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: folder.path)) ?? []
    let files = names.map { folder.appendingPathComponent($0) }
      .filter { torchSuffixes.contains($0.pathExtension) || $0.pathExtension == "safetensors" }
    return files.count == 1 ? files[0] : nil
  }

  /// By the names of the tensors in a file.
  private init(name: String, file: URL, _ options: Options) throws {
    let folder = file.deletingLastPathComponent()
    let isIndex = file.lastPathComponent.hasSuffix(".index.json")
    let names = isIndex ? [] : try Self.open(file).names
    if isIndex || names.contains(where: { $0.hasPrefix("vision_model.") }) {
      self.init(name: name, form: .huggingFace, folder: folder, weights: file, options: options)
    } else {
      let isDescribed = Self.first([OpenCLIPFolder.configurationName], in: folder) != nil
      self.init(
        name: name, form: isDescribed ? .openCLIP : .openAI, folder: folder, weights: file, options: options)
    }
  }

  private static func open(_ file: URL) throws -> any StoredTensors {
    if TorchArchive.isArchive(firstBytes: try firstBytes(of: file)) != nil { return try TorchArchive(contentsOf: file) }
    guard !torchSuffixes.contains(file.pathExtension) else { return try TorchArchive(contentsOf: file) }
    return try SafetensorsFile(contentsOf: file)
  }

  private static func firstBytes(of file: URL) throws -> [UInt8] {
    let descriptor = try Descriptor.reading(file.path)
    var bytes = [UInt8](repeating: 0, count: min(512, try descriptor.size()))
    try bytes.withUnsafeMutableBytes { try descriptor.read(into: $0, at: 0) }
    return bytes
  }
}
