import Diagnostics
import Files
import Foundation
import RestrictedPickle
import Safetensors
import ZipFiles

/// A file that PyTorch (1.6 and later) wrote, open for reading: a state dictionary of `torch.save`, or a TorchScript module.
///
/// A zip file with a pickle that describes tensors, and the storages that they are views on. Nothing in it is executed:
/// what the pickle would call is only looked at. Tensors are read when asked for. Any thread may read.
public final class TorchArchive: Sendable {
  /// What wrote it.
  public enum Kind: Sendable {
    /// `torch.save`.
    case stateDictionary
    /// `torch.jit.save`.
    case torchScript
  }

  /// The file that was opened.
  public let url: URL
  /// What wrote it.
  public let kind: Kind
  /// Names of the classes of all modules, without Python's modules around them; of TorchScript only.
  public let moduleClasses: Set<String>
  private let file: Descriptor
  private let tensors: [String: TorchTensor]
  private let storages: [String: ZipDirectory.Member]

  private static let pickleName = "data.pkl"
  /// Checkpoints of training with the state of an optimiser are far below that.
  private static let largestPickle = 64 << 20

  /// Opens a file and judges all tensors in it, without looking at their values.
  ///
  /// Throws `.missingInput` when it does not exist, `.badData` when it is damaged, none of PyTorch's, or of a form that is
  /// not read; `.inputOutput` when it cannot be opened or reading fails.
  public init(contentsOf url: URL) throws {
    self.url = url
    file = try Descriptor.reading(url.path)
    try Self.judgeForm(of: file)
    let zip = try ZipDirectory(of: file)
    do {
      let folder = try Self.folder(of: zip)
      kind = zip.members[folder + "constants.pkl"] == nil ? .stateDictionary : .torchScript
      try Self.judgeByteOrder(zip.members[folder + "byteorder"], in: file)
      let pickle = try zip.members[folder + Self.pickleName]!.content(in: file, limit: Self.largestPickle)
      let contents = try TorchContents(pickle: pickle, name: "\(url.path) (\(Self.pickleName))")
      moduleClasses = contents.moduleClasses
      tensors = contents.tensors
      storages = try Self.storages(of: contents.tensors, in: zip, folder)
      let byteCount = contents.tensors.values.reduce(0) { $0 + $1.count * $1.type.bitWidth / 8 }
      guard byteCount <= (try file.size()) else { throw TorchProblem("tensors share their values") }
    } catch let problem as TorchProblem {
      throw Failure(
        .badData, at: url.path, problem.what, remedy: problem.remedy ?? "check that it is a file of PyTorch's")
    }
  }

  /// Names of all tensors, sorted.
  public var names: [String] { tensors.keys.sorted() }

  /// Extent of each dimension of a tensor, or nil when there is none of that name.
  public func shape(of name: String) -> [Int]? { tensors[name]?.shape }

  /// How a tensor's elements are stored, or nil when there is none of that name.
  public func elementType(of name: String) -> ElementType? { tensors[name]?.type }

  /// What tells whether the file's content has been changed since; throws `.inputOutput`.
  package func version() throws -> Descriptor.Version { try file.version() }

  /// Compares the values of all tensors with the checksums in the file.
  ///
  /// Throws `.badData` where they differ, `.inputOutput` when reading fails.
  package func verify() throws {
    for storage in storages.values { try storage.verify(in: file) }
  }

  /// Reads consecutive elements of a tensor, counted in row-major order however they are stored, widened to fp32.
  ///
  /// Memory is that of the target, or for tensors that are not stored in that order, of the part of the storage that they
  /// lie in. Throws `.badData` when there is no tensor of that name or it holds no floats, `.inputOutput` when reading
  /// fails. Traps where the tensor has no such elements.
  package func readElements(
    _ range: Range<Int>, of name: String, into target: UnsafeMutableBufferPointer<Float>
  ) throws {
    guard let tensor = tensors[name], let start = storages[tensor.storage]?.range?.lowerBound else {
      throw Failure(.badData, at: url.path, "there is no tensor \(quoted(name))")
    }
    precondition(range.lowerBound >= 0 && range.upperBound <= tensor.count && target.count == range.count)
    guard tensor.type.isReadableAsFloat else {
      throw Failure(
        .badData, at: url.path, "tensor \(quoted(name)) holds \(tensor.type.rawValue) elements, which are no floats")
    }
    let width = tensor.type.bitWidth / 8
    if tensor.isContiguous {
      return try file.readFloats(tensor.type, at: start + (tensor.start + range.lowerBound) * width, into: target)
    }
    try withUnsafeTemporaryAllocation(of: Float.self, capacity: tensor.span) { span in
      try file.readFloats(tensor.type, at: start + tensor.start * width, into: span)
      var next = 0
      tensor.forEachPlace(in: range) { place in
        target[next] = span[place]
        next += 1
      }
    }
  }
}

// MARK: - Judging

extension TorchArchive {
  /// Whether a file's first bytes are those of what PyTorch wrote before 1.6 or of an archive; nil where they are neither.
  package static func isArchive(firstBytes: [UInt8]) -> Bool? {
    if firstBytes.starts(with: ZipDirectory.magic) { return true }
    // A pickle of the number that such files begin with, or a tar file.
    let oldPickle: [UInt8] = [0x80, 0x02, 0x8a, 0x0a, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19]
    let isTar = firstBytes.count >= 262 && firstBytes[257..<262].elementsEqual("ustar".utf8)
    return firstBytes.starts(with: oldPickle) || isTar ? false : nil
  }

  private static func judgeForm(of file: borrowing Descriptor) throws {
    var bytes = [UInt8](repeating: 0, count: min(512, try file.size()))
    try bytes.withUnsafeMutableBytes { try file.read(into: $0, at: 0) }
    switch isArchive(firstBytes: bytes) {
    case true: return
    case false:
      throw Failure(
        .badData, at: file.path, "the file is in the form that PyTorch wrote before version 1.6",
        remedy: "load it with PyTorch and torch.save it again with a version from 1.6 on")
    case nil:
      throw Failure(
        .badData, at: file.path, "the file is no zip file, as PyTorch writes", remedy: "check that it is the right file"
      )
    }
  }

  /// The folder that all members lie in, with a slash at its end.
  private static func folder(of zip: ZipDirectory) throws -> String {
    let pickles = zip.members.keys.filter { $0.hasSuffix("/\(pickleName)") && $0.count(where: { $0 == "/" }) == 1 }
    guard let pickle = pickles.first, pickles.count == 1 else {
      throw TorchProblem("the zip file holds no \(pickleName), as PyTorch's do")
    }
    return String(pickle.dropLast(pickleName.count))
  }

  private static func judgeByteOrder(_ member: ZipDirectory.Member?, in file: borrowing Descriptor) throws {
    guard let order = try member?.content(in: file, limit: 64), !order.elementsEqual("little".utf8) else { return }
    throw TorchProblem("its numbers are not little-endian", remedy: "save it again on another machine")
  }

  private static func storages(
    of tensors: [String: TorchTensor], in zip: ZipDirectory, _ folder: String
  ) throws -> [String: ZipDirectory.Member] {
    var storages: [String: ZipDirectory.Member] = [:]
    for (name, tensor) in tensors {
      guard let member = zip.members["\(folder)data/\(tensor.storage)"], let range = member.range else {
        throw TorchProblem("the values of tensor \(quoted(name)) are missing", remedy: "fetch it again")
      }
      let (byteCount, overflows) = tensor.storageCount.multipliedReportingOverflow(by: tensor.type.bitWidth / 8)
      guard !overflows, byteCount == range.count else {
        throw TorchProblem(
          "tensor \(quoted(name)) has a storage of \(tensor.storageCount) \(tensor.type.rawValue) elements in "
            + "\(range.count) bytes", remedy: "fetch it again")
      }
      storages[tensor.storage] = member
    }
    return storages
  }
}
