import Diagnostics
import Files
import Foundation
import Kernels
import Safetensors
import Tensors

/// The weights of a pretrained CLIP on the disk, in the flat order of their layout.
///
/// Read piece by piece and widened to fp32 (from fp32, fp16, bf16 or fp64). Any thread may read.
public struct WeightsFile: VectorSource, Sendable {
  /// Where they come from.
  public let source: ModelSource
  /// Sizes and choices of the model.
  public let configuration: CLIPConfiguration
  /// What the source leaves open and was assumed, one line each.
  public let notes: [String]
  /// Names, shapes and places of the parameters.
  public let layout: ParameterLayout
  let tensors: any StoredTensors
  /// What the files were when they were opened.
  let versions: [Descriptor.Version]
  /// As the file names and stores them, in flat order.
  private let parameters: [StoredParameter]

  /// Opens the weights and compares their names and shapes with the configuration; values are not looked at.
  ///
  /// Throws `Failure` where a tensor is missing, has another shape than the configuration says, or is not part of such a
  /// model.
  public init(_ source: ModelSource) throws {
    self.source = source
    tensors = try source.openWeights()
    versions = try tensors.versions()
    let described = try source.describe(tensors)
    (configuration, notes) = (described.configuration, described.notes)
    layout = ParameterLayout(configuration)
    parameters = layout.parameters(in: source.form, prefix: described.prefix)
    try checkNames(prefix: described.prefix)
  }

  /// As `init(_:)`, of a folder in the form of Hugging Face.
  public init(huggingFaceFolder folder: URL) throws { try self.init(ModelSource(huggingFaceFolder: folder)) }

  /// `notes`, and what is assumed about images; throws `Failure` where the file that tells is damaged.
  public func allNotes() throws -> [String] { notes + [try ImagePreprocessing.note(of: source)].compactMap { $0 } }

  /// The file.
  public var url: URL { tensors.url }

  /// Elements of all parameters.
  public var count: Int { layout.count }

  /// Elements of the flat order; whether they are finite is not looked at.
  public func read(_ range: Range<Int>, into destination: UnsafeMutableBufferPointer<Float>) throws {
    precondition(range.lowerBound >= 0 && range.upperBound <= count && destination.count == range.count)
    var index = parameters.partitioningIndex { $0.range.upperBound > range.lowerBound }
    while index < parameters.count, parameters[index].range.lowerBound < range.upperBound {
      let parameter = parameters[index]
      let part = parameter.range.clamped(to: range)
      let elements = part.lowerBound - parameter.range.lowerBound..<part.upperBound - parameter.range.lowerBound
      let places = part.lowerBound - range.lowerBound..<part.upperBound - range.lowerBound
      try read(elements, of: parameter, into: UnsafeMutableBufferPointer(rebasing: destination[places]))
      index += 1
    }
  }

  private func read(
    _ elements: Range<Int>, of parameter: StoredParameter, into target: UnsafeMutableBufferPointer<Float>
  ) throws {
    guard parameter.isTransposed else {
      return try tensors.readElements(elements, of: parameter.name, into: target)
    }
    let stored = Tensor(uninitialized: parameter.shape)
    try tensors.readElements(0..<stored.count, of: parameter.name, into: stored.buffer)
    let (rows, columns) = (stored.rowCount, stored.columnCount)
    for (index, element) in elements.enumerated() {
      target[index] = stored.pointer[element % rows * columns + element / rows]
    }
  }

  /// Throws `Failure(.badData)` unless `values`, elements of the parameter in `slot`, are all finite.
  public func judge(_ values: Tensor, of slot: ParameterLayout.Slot) throws {
    guard ElementWise.isFinite(values) else {
      throw Failure(
        .badData, at: url.path, "tensor \(storedName(slot)) holds NaN or infinite values",
        remedy: "the file is damaged or its training diverged; fetch the weights again")
    }
  }

  /// Throws `Failure(.badData)` where the file has checksums that its values do not have.
  public func verify() throws { try tensors.verify() }

  /// Reads all parameters into a store of the whole layout, where they may be followed by what a method adds to the model.
  ///
  /// Throws `Failure` where one is damaged or not finite, or reading fails; the store is of no use then.
  public func read(into store: ParameterStore) throws {
    try verify()
    for slot in layout.slots {
      let values = store[slot.name]!
      try read(slot.range, into: values.buffer)
      try judge(values, of: slot)
    }
  }

  /// How the file calls a parameter, or what it is part of.
  private func storedName(_ slot: ParameterLayout.Slot) -> String {
    parameters.first { $0.range.overlaps(slot.range) }?.name ?? slot.name
  }
}

// MARK: - Judging

extension WeightsFile {
  private var sizes: String { source.configurationName ?? "the other tensors" }

  private func checkNames(prefix: String) throws {
    for parameter in parameters {
      guard let shape = tensors.shape(of: parameter.name) else {
        throw Failure(
          .badData, at: url.path, "tensor \(parameter.name) is missing",
          remedy: "skiptune reads weights of a whole CLIP with transformer towers, whose shapes \(sizes) "
            + (source.configurationName == nil ? "give" : "gives"))
      }
      // A scalar is stored as [] or as [1], depending on who wrote it.
      guard shape == parameter.shape || (parameter.shape.isEmpty && shape == [1]) else {
        throw Failure(
          .badData, at: url.path,
          "tensor \(parameter.name) has shape \(shape), \(sizes) "
            + (source.configurationName == nil ? "ask" : "asks") + " for \(parameter.shape)", remedy: belongTogether)
      }
      guard let type = tensors.elementType(of: parameter.name), type.isReadableAsFloat else {
        throw Failure(
          .badData, at: url.path, "tensor \(parameter.name) holds no floats (F32, F16, BF16 or F64)",
          remedy: "quantised weights are not read; fetch the original ones")
      }
    }
    let known = Set(parameters.map(\.name))
    let unknown = tensors.names.filter { !known.contains($0) && !Self.isNoParameter($0.trimmingPrefix(prefix)) }
    if let first = unknown.first {
      throw Failure(
        .badData, at: url.path,
        "tensor \(first) is not part of the model that \(sizes) "
          + (source.configurationName == nil ? "describe" : "describes") + " (\(unknown.count) such)",
        remedy: belongTogether)
    }
  }

  private var belongTogether: String {
    guard let name = source.configurationName else { return "check that the file holds a CLIP and nothing else" }
    return "\(name) and \(url.lastPathComponent) must come from the same model"
  }

  /// Older files carry the positions' indices, and OpenAI's some sizes.
  private static func isNoParameter(_ name: Substring) -> Bool {
    name.hasSuffix(".position_ids") || ["input_resolution", "context_length", "vocab_size", "attn_mask"].contains(name)
  }
}

extension CLIP {
  /// Reads a pretrained CLIP (fp32, fp16, bf16 or fp64, as fp32).
  ///
  /// Throws `Failure` where a tensor is missing, has another shape than the configuration says, is not finite, or is not
  /// part of such a model.
  public init(_ source: ModelSource, adding additions: [ParameterLayout.Addition] = []) throws {
    try self.init(WeightsFile(source), adding: additions)
  }

  /// Reads weights that were judged by their header, before memory is taken for the values; what is added to the model is
  /// zero.
  ///
  /// Throws `Failure` where a tensor is damaged or not finite, or reading fails.
  public init(_ weights: WeightsFile, adding additions: [ParameterLayout.Addition] = []) throws {
    let store = ParameterStore(ParameterLayout(weights.configuration, adding: additions))
    try weights.read(into: store)
    self.init(weights.configuration, store)
  }

  /// As `init(_:)`, of a folder in the form of Hugging Face.
  public init(huggingFaceFolder folder: URL, adding additions: [ParameterLayout.Addition] = []) throws {
    try self.init(ModelSource(huggingFaceFolder: folder), adding: additions)
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

extension Array {
  /// The first index whose element satisfies a predicate that holds for all elements after it too.
  fileprivate func partitioningIndex(where predicate: (Element) -> Bool) -> Int {
    var (low, high) = (0, count)
    while low < high {
      let middle = (low + high) / 2
      if predicate(self[middle]) { high = middle } else { low = middle + 1 }
    }
    return low
  }
}
