import Files
import Foundation
import Safetensors
import Tensors

/// A tuned model as a folder that Hugging Face's `CLIPModel` and `CLIPProcessor` load.
public enum HuggingFaceFolder {
  /// Tokenizer and preprocessing files, which tuning does not change.
  private static let companions = [
    "vocab.json", "merges.txt", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json",
    "preprocessor_config.json", "processor_config.json",
  ]
  private static let largestCompanion = 64 << 20

  /// Writes weights (fp32), which lie in the flat order of `layout`, with all other files as in the folder `base` that the
  /// model was tuned from.
  ///
  /// The folder is there whole or not at all. Memory is that of one tensor. Throws `Failure`: `.cannotCreate` when there is
  /// no room for the folder or something is there already, `.inputOutput` when writing fails part-way, and what reading the
  /// weights throws.
  public static func write(
    _ weights: some VectorSource, _ layout: ParameterLayout, tunedFrom base: URL, to folder: URL
  ) throws {
    try AtomicFolder.create(folder) { aside in
      for name in companions {
        let file = base.appendingPathComponent(name)
        guard FileManager.default.fileExists(atPath: file.path) else { continue }
        // The content, not the file: caches of models are folders of relative links.
        let content = try SmallFile.bytes(of: file, limit: largestCompanion)
        try AtomicFile.write(content, to: aside.appendingPathComponent(name))
      }
      try AtomicFile.write(CLIPConfiguration.tunedJSON(base: base), to: aside.appendingPathComponent("config.json"))
      let declarations = layout.slots.map { SafetensorsWriter.Declaration(name: $0.name, shape: $0.shape) }
      try SafetensorsWriter.write(
        declarations, metadata: ["format": "pt"], to: aside.appendingPathComponent("model.safetensors")
      ) { index in
        let slot = layout.slots[index]
        return try weights.tensor(slot.range, shape: slot.shape)
      }
    }
  }
}
