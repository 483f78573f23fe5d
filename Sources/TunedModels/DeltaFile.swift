import Checkpoints
import Diagnostics
import Foundation
import Safetensors
import ShardFiles
import StrictJSON
import Tensors

/// A safetensors file of the trained parameters of a tuned model, to be laid over its base; docs/exporting.md describes it.
///
/// It holds values, not differences: adding a difference would round, and any program that reads safetensors can use
/// values.
enum DeltaFile {
  static let format = "skiptune-delta"
  static let version = "1"

  /// Writes a new file, which is there whole or not at all; memory is that of one tensor.
  static func write(
    _ values: some VectorSource, _ tensors: [TrainedTensor], _ description: TunedDescription, baseFingerprint: Hash128,
    programVersion: String, to file: URL
  ) throws {
    var metadata = [
      "format": format, "format_version": version, "base_fingerprint": "\(baseFingerprint)",
      "method": description.method, "source": description.source, "skiptune_version": programVersion,
    ]
    metadata["start_layer"] = description.startLayer.map { "\($0)" }
    metadata["template"] = description.template
    metadata["classes"] = description.classNames.map { "[" + $0.map(JSONText.quoted).joined(separator: ", ") + "]" }
    try SafetensorsWriter.write(
      tensors.map { SafetensorsWriter.Declaration(name: $0.name, shape: $0.shape) }, metadata: metadata, to: file
    ) { index in try values.tensor(tensors[index].range, shape: tensors[index].shape) }
  }
}

extension TunedWeights {
  /// A delta file, judged by its header; values are read later.
  ///
  /// Throws `Failure`: `.missingInput` where there is none, `.badData` where it is damaged or something else.
  package init(deltaFile url: URL) throws {
    let file = try SafetensorsFile(contentsOf: url)
    let fields = DeltaFields(file.metadata, place: url.path)
    guard fields["format"] == DeltaFile.format else {
      throw fields.refusal("it is a safetensors file but no delta file of skiptune")
    }
    guard fields["format_version"] == DeltaFile.version else {
      throw fields.refusal(
        "the format has version \(quoted(fields["format_version"] ?? "")); this program reads \(DeltaFile.version)")
    }
    guard let fingerprint = Hash128(hexadecimal: fields["base_fingerprint"] ?? "") else {
      throw fields.refusal("base_fingerprint must be a hash of 32 hexadecimal digits")
    }
    var end = 0
    let tensors = file.namesByPosition.map { name in
      let shape = file.shape(of: name)!
      defer { end += shape.reduce(1, *) }  // The header was checked: the tensors fill a file.
      return TrainedTensor(name: name, shape: shape, range: end..<end + shape.reduce(1, *))
    }
    guard end > 0 else { throw fields.refusal("it holds no values") }
    var description = TunedDescription(source: fields["source"] ?? url.lastPathComponent)
    description.method = fields["method"] ?? description.method
    description.template = fields["template"]
    description.classNames = try fields.classNames()
    self.init(description, tensors, baseFingerprint: fingerprint, at: url.path) { _ in
      SafetensorsVector(file: file, tensors: tensors)
    }
  }
}

/// The metadata of a delta file.
private struct DeltaFields {
  private let metadata: [String: String]
  private let place: String

  init(_ metadata: [String: String], place: String) {
    self.metadata = metadata
    self.place = place
  }

  subscript(_ key: String) -> String? { metadata[key] }

  func refusal(_ problem: String) -> Failure {
    Failure(.badData, at: place, problem, remedy: "make one with skiptune checkpoint export --format delta")
  }

  func classNames() throws -> [String]? {
    guard let text = metadata["classes"] else { return nil }
    guard let names = (try? JSONValue(parsing: Array(text.utf8)))?.strings else {
      throw refusal("classes must be a JSON list of names")
    }
    return names
  }
}

/// Tensors of a safetensors file as one vector.
private struct SafetensorsVector: VectorSource {
  let file: SafetensorsFile
  let tensors: [TrainedTensor]

  var count: Int { tensors.last?.range.upperBound ?? 0 }

  func read(_ range: Range<Int>, into destination: UnsafeMutableBufferPointer<Float>) throws {
    for tensor in tensors {
      let part = tensor.range.clamped(to: range)
      guard !part.isEmpty else { continue }
      let places = part.lowerBound - range.lowerBound..<part.upperBound - range.lowerBound
      try file.readElements(
        part.lowerBound - tensor.range.lowerBound..<part.upperBound - tensor.range.lowerBound, of: tensor.name,
        into: UnsafeMutableBufferPointer(rebasing: destination[places]))
    }
  }
}
