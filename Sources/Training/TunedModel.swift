import CLIPModel
import Files
import Foundation

/// A tuned model as a folder that Hugging Face's `CLIPModel` and `CLIPProcessor` load.
struct TunedModel {
  private let model: CLIP
  private let base: URL

  /// `base` is the folder that the model came from.
  init(_ model: CLIP, base: URL) {
    self.model = model
    self.base = base
  }

  /// Tokenizer and preprocessing files, which tuning does not change.
  private static let companions = [
    "vocab.json", "merges.txt", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json",
    "preprocessor_config.json", "processor_config.json",
  ]
  private static let largestCompanion = 64 << 20

  /// Writes the folder under another name and renames it, so that it is there whole or not at all.
  ///
  /// Throws `Failure`: `.cannotCreate` when there is no room for the folder, `.inputOutput` when writing fails part-way.
  func write(to folder: URL) throws {
    try AtomicFolder.create(folder) { aside in
      for name in Self.companions {
        let file = base.appendingPathComponent(name)
        guard FileManager.default.fileExists(atPath: file.path) else { continue }
        // The content, not the file: caches of models are folders of relative links.
        let content = try SmallFile.bytes(of: file, limit: Self.largestCompanion)
        try AtomicFile.write(content, to: aside.appendingPathComponent(name))
      }
      try model.write(huggingFaceFolder: aside, tunedFrom: base)
    }
  }
}
