import Diagnostics
import Files
import Foundation
import Kernels
import Safetensors
import Tensors

extension CLIP {
  /// Reads a Hugging Face CLIP folder: `config.json` and `model.safetensors` (fp32, fp16 or bf16, widened to fp32).
  ///
  /// Throws `Failure` where a tensor is missing, has another shape than the configuration says, is not finite, or is not
  /// part of such a model.
  public init(huggingFaceFolder folder: URL) throws {
    let configuration = try CLIPConfiguration(huggingFaceFolder: folder)
    let file = try SafetensorsFile(contentsOf: folder.appendingPathComponent("model.safetensors"))
    self.init(configuration, try ParameterStore(ParameterLayout(configuration), from: file))
  }
}

extension ParameterStore {
  /// All parameters of a layout, from a file with Hugging Face names.
  init(_ layout: ParameterLayout, from file: SafetensorsFile) throws {
    // Judged by the header alone, before memory is taken for the values.
    try Self.checkNames(layout, file)
    self.init(layout)
    for slot in layout.slots {
      let tensor = try file.tensor(slot.name)
      guard ElementWise.isFinite(tensor) else {
        throw Failure(
          .badData, at: file.url.path, "tensor \(slot.name) holds NaN or infinite values",
          remedy: "the file is damaged or its training diverged; fetch the weights again")
      }
      self[slot.name]!.copy(from: tensor)
    }
  }

  private static func checkNames(_ layout: ParameterLayout, _ file: SafetensorsFile) throws {
    for slot in layout.slots {
      guard let shape = file.shape(of: slot.name) else {
        throw Failure(
          .badData, at: file.url.path, "tensor \(slot.name) is missing",
          remedy: "skiptune reads Hugging Face CLIPModel weights whose shapes config.json gives")
      }
      // A scalar is stored as [] or as [1], depending on who wrote it.
      guard shape == slot.shape || (slot.shape.isEmpty && shape == [1]) else {
        throw Failure(
          .badData, at: file.url.path, "tensor \(slot.name) has shape \(shape), config.json asks for \(slot.shape)",
          remedy: "config.json and model.safetensors must come from the same model")
      }
    }
    // Older files carry the positions' indices, which are no parameters.
    let unknown = file.names.filter { layout[$0] == nil && !$0.hasSuffix(".position_ids") }
    if let first = unknown.first {
      throw Failure(
        .badData, at: file.url.path,
        "tensor \(first) is not part of the model that config.json describes (\(unknown.count) such)",
        remedy: "config.json and model.safetensors must come from the same model")
    }
  }
}

extension CLIP {
  /// Writes `model.safetensors` (fp32), and `config.json` as in the folder `base` that the model was tuned from.
  ///
  /// Hugging Face's `CLIPModel.from_pretrained` loads them. The folder must exist; the caller adds tokenizer and
  /// preprocessing files.
  ///
  /// Each file is there whole or not at all. Throws `Failure`: `.cannotCreate` when the folder does not take a file,
  /// `.inputOutput` when writing fails part-way.
  public func write(huggingFaceFolder folder: URL, tunedFrom base: URL) throws {
    let tensors = parameters.slots.map { (name: $0.name, tensor: parameters[$0.name]!) }
    try SafetensorsWriter.write(
      tensors, metadata: ["format": "pt"], to: folder.appendingPathComponent("model.safetensors"))
    try AtomicFile.write(CLIPConfiguration.tunedJSON(base: base), to: folder.appendingPathComponent("config.json"))
  }
}
