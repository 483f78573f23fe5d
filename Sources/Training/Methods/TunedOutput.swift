import CLIPModel
import Files
import Foundation
import Safetensors
import Tensors

/// What a run leaves in `<run_dir>/model`: a CLIP, or what a method trains beside one.
struct TunedOutput {
  /// The file of a method's own parameters.
  static let fileName = "method.safetensors"

  private let method: any TrainingMethod
  private let model: CLIP
  private let base: ModelSource

  /// `base` is what the model was tuned from.
  init(_ method: any TrainingMethod, _ model: CLIP, tunedFrom base: ModelSource) {
    self.method = method
    self.model = model
    self.base = base
  }

  /// Writes a new folder, which is there whole or not at all.
  ///
  /// Throws `Failure`: `.cannotCreate` where something is there already or there is no room, `.inputOutput` when writing
  /// fails part-way.
  func write(to folder: URL) throws {
    let parameters = model.parameters
    guard !method.kind.tunesModel else {
      return try HuggingFaceFolder.write(parameters, model.configuration, tunedFrom: base, to: folder)
    }
    let tensors = parameters.layout.additions.map { (name: $0.name, tensor: parameters[$0.name]!) }
    try AtomicFolder.create(folder) { aside in
      try SafetensorsWriter.write(
        tensors, metadata: ["format": "skiptune-method", "method": method.kind.rawValue],
        to: aside.appendingPathComponent(Self.fileName))
    }
  }
}
