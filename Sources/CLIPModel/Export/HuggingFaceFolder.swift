import Diagnostics
import Files
import Foundation
import Safetensors
import Tensors

/// A tuned model as a folder that Hugging Face's `CLIPModel` and `CLIPProcessor` load.
public enum HuggingFaceFolder {
  /// Tokenizer and preprocessing files, which tuning does not change.
  private static let tokenizerNames = [
    "vocab.json", "merges.txt", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json",
  ]
  private static let preprocessingNames = ["preprocessor_config.json", "processor_config.json"]
  private static let largestCompanion = 64 << 20

  /// Writes weights (fp32), which lie in the flat order of the base's layout, with all other files as the base has them;
  /// where the base has another form, with files that say the same.
  ///
  /// The folder is there whole or not at all. Memory is that of one tensor. Throws `Failure`: `.cannotCreate` when there is
  /// no room for the folder or something is there already, `.inputOutput` when writing fails part-way, and what reading the
  /// weights throws.
  public static func write(
    _ weights: some VectorSource, _ configuration: CLIPConfiguration, tunedFrom base: ModelSource, to folder: URL
  ) throws {
    let companions =
      try base.form == .huggingFace ? copies(of: base, configuration) : translations(of: base, configuration)
    let layout = ParameterLayout(configuration)
    try AtomicFolder.create(folder) { aside in
      for (name, content) in companions.sorted(by: { $0.key < $1.key }) {
        try AtomicFile.write(content, to: aside.appendingPathComponent(name))
      }
      let declarations = layout.slots.map { SafetensorsWriter.Declaration(name: $0.name, shape: $0.shape) }
      try SafetensorsWriter.write(
        declarations, metadata: ["format": "pt"], to: aside.appendingPathComponent("model.safetensors")
      ) { index in
        let slot = layout.slots[index]
        return try weights.tensor(slot.range, shape: slot.shape)
      }
    }
  }

  /// The tokenizer's files in a folder, by name.
  static func tokenizerFiles(in folder: URL) throws -> [String: Data] { try contents(tokenizerNames, in: folder) }

  private static func copies(of base: ModelSource, _ configuration: CLIPConfiguration) throws -> [String: Data] {
    var files = try contents(preprocessingNames, in: base.folder)
    files.merge(try base.tokenizerFiles(vocabularySize: configuration.vocabularySize)) { own, _ in own }
    files["config.json"] = try CLIPConfiguration.tunedJSON(base: base.folder)
    return files
  }

  private static func translations(of base: ModelSource, _ configuration: CLIPConfiguration) throws -> [String: Data] {
    let preprocessing = try ImagePreprocessing(base, imageSize: configuration.imageSize)
    var files = try base.tokenizerFiles(vocabularySize: configuration.vocabularySize)
    files["preprocessor_config.json"] = preprocessing.huggingFaceJSON
    files["config.json"] = configuration.huggingFaceJSON
    return files
  }

  /// The content, not the file: caches of models are folders of relative links.
  private static func contents(_ names: [String], in folder: URL) throws -> [String: Data] {
    var files: [String: Data] = [:]
    for name in names {
      let file = folder.appendingPathComponent(name)
      guard FileManager.default.fileExists(atPath: file.path) else { continue }
      files[name] = Data(try SmallFile.bytes(of: file, limit: largestCompanion))
    }
    return files
  }
}

extension ModelSource {
  /// The tokenizer's files in the form of Hugging Face, by name; none where there is no tokenizer, which exports of weights
  /// can do without.
  fileprivate func tokenizerFiles(vocabularySize: Int) throws -> [String: Data] {
    do {
      return try TokenizerFiles(self).huggingFaceContents(vocabularySize: vocabularySize)
    } catch let failure as Failure where failure.status == .missingInput && options.tokenizer == nil {
      return try HuggingFaceFolder.tokenizerFiles(in: folder)
    }
  }
}
