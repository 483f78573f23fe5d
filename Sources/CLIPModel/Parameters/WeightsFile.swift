import Diagnostics
import Foundation
import Kernels
import Safetensors
import Tensors

/// The weights of a Hugging Face CLIP folder on the disk, in the flat order of their layout.
///
/// Read piece by piece and widened to fp32 (from fp32, fp16 or bf16). Any thread may read.
public struct WeightsFile: VectorSource, Sendable {
  /// What `config.json` says.
  public let configuration: CLIPConfiguration
  /// Names, shapes and places of the parameters.
  public let layout: ParameterLayout
  private let file: SafetensorsFile

  /// Opens `model.safetensors` and compares its names and shapes with `config.json`; values are not looked at.
  ///
  /// Throws `Failure` where a tensor is missing, has another shape than the configuration says, or is not part of such a
  /// model.
  public init(huggingFaceFolder folder: URL) throws {
    configuration = try CLIPConfiguration(huggingFaceFolder: folder)
    file = try SafetensorsFile(contentsOf: folder.appendingPathComponent("model.safetensors"))
    layout = ParameterLayout(configuration)
    try checkNames()
  }

  /// The file.
  public var url: URL { file.url }

  /// Elements of all parameters.
  public var count: Int { layout.count }

  /// Elements of the flat order; whether they are finite is not looked at.
  public func read(_ range: Range<Int>, into destination: UnsafeMutableBufferPointer<Float>) throws {
    precondition(range.lowerBound >= 0 && range.upperBound <= count && destination.count == range.count)
    for slot in layout.slots {
      let part = slot.range.clamped(to: range)
      guard !part.isEmpty else { continue }
      let places = part.lowerBound - range.lowerBound..<part.upperBound - range.lowerBound
      try file.readElements(
        part.lowerBound - slot.range.lowerBound..<part.upperBound - slot.range.lowerBound, of: slot.name,
        into: UnsafeMutableBufferPointer(rebasing: destination[places]))
    }
  }

  /// Throws `Failure(.badData)` unless `values`, elements of the parameter in `slot`, are all finite.
  public func judge(_ values: Tensor, of slot: ParameterLayout.Slot) throws {
    guard ElementWise.isFinite(values) else {
      throw Failure(
        .badData, at: url.path, "tensor \(slot.name) holds NaN or infinite values",
        remedy: "the file is damaged or its training diverged; fetch the weights again")
    }
  }

  private func checkNames() throws {
    for slot in layout.slots {
      guard let shape = file.shape(of: slot.name) else {
        throw Failure(
          .badData, at: url.path, "tensor \(slot.name) is missing",
          remedy: "skiptune reads Hugging Face CLIPModel weights whose shapes config.json gives")
      }
      // A scalar is stored as [] or as [1], depending on who wrote it.
      guard shape == slot.shape || (slot.shape.isEmpty && shape == [1]) else {
        throw Failure(
          .badData, at: url.path, "tensor \(slot.name) has shape \(shape), config.json asks for \(slot.shape)",
          remedy: "config.json and model.safetensors must come from the same model")
      }
    }
    // Older files carry the positions' indices, which are no parameters.
    let unknown = file.names.filter { layout[$0] == nil && !$0.hasSuffix(".position_ids") }
    if let first = unknown.first {
      throw Failure(
        .badData, at: url.path,
        "tensor \(first) is not part of the model that config.json describes (\(unknown.count) such)",
        remedy: "config.json and model.safetensors must come from the same model")
    }
  }
}

extension CLIP {
  /// Reads a Hugging Face CLIP folder: `config.json` and `model.safetensors` (fp32, fp16 or bf16, widened to fp32).
  ///
  /// What is added to the model is zero. Throws `Failure` where a tensor is missing, has another shape than the
  /// configuration says, is not finite, or is not part of such a model.
  public init(huggingFaceFolder folder: URL, adding additions: [ParameterLayout.Addition] = []) throws {
    // Judged by the header alone, before memory is taken for the values.
    let weights = try WeightsFile(huggingFaceFolder: folder)
    let store = ParameterStore(ParameterLayout(weights.configuration, adding: additions))
    for slot in weights.layout.slots {
      let values = store[slot.name]!
      try weights.read(slot.range, into: values.buffer)
      try weights.judge(values, of: slot)
    }
    self.init(weights.configuration, store)
  }
}

extension ParameterStore: VectorSource {
  /// Stored elements.
  public var count: Int { values.count }

  /// Elements in the order of `values`: that of the layout, where all of it is stored.
  public func read(_ range: Range<Int>, into destination: UnsafeMutableBufferPointer<Float>) {
    values.read(range, into: destination)
  }
}
