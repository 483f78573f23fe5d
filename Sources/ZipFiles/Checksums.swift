import CZlib
import Diagnostics
import Files

extension ZipDirectory.Member {
  private static let pieceSize = 1 << 20

  /// Compares the content with its checksum, piece by piece.
  ///
  /// Throws `.badData` where they differ or the member is compressed, `.inputOutput` when reading fails.
  package func verify(in file: borrowing Descriptor) throws {
    let range = try storedRange(in: file)
    var piece = [UInt8](repeating: 0, count: min(Self.pieceSize, range.count))
    var sum = crc32(0, nil, 0)
    for start in stride(from: range.lowerBound, to: range.upperBound, by: Self.pieceSize) {
      let count = min(Self.pieceSize, range.upperBound - start)
      try piece.withUnsafeMutableBytes { bytes in
        try file.read(into: UnsafeMutableRawBufferPointer(rebasing: bytes[..<count]), at: start)
        sum = crc32(sum, bytes.baseAddress!.assumingMemoryBound(to: UInt8.self), UInt32(count))
      }
    }
    guard sum == UInt(checksum) else {
      throw Failure(
        .badData, at: file.path, "\(quoted(name)) in it does not have its checksum",
        remedy: "the file is damaged; fetch it again")
    }
  }

  /// The whole content, verified.
  ///
  /// Throws as `verify(in:)`, and `.badData` for more than `limit` bytes.
  package func content(in file: borrowing Descriptor, limit: Int) throws -> [UInt8] {
    let range = try storedRange(in: file)
    guard range.count <= limit else {
      throw Failure(
        .badData, at: file.path, "\(quoted(name)) in it has \(range.count) bytes; it may have at most \(limit)",
        remedy: "check that it is the right file")
    }
    try verify(in: file)
    var bytes = [UInt8](repeating: 0, count: range.count)
    try bytes.withUnsafeMutableBytes { try file.read(into: $0, at: range.lowerBound) }
    return bytes
  }

  private func storedRange(in file: borrowing Descriptor) throws -> Range<Int> {
    if let range { return range }
    throw Failure(
      .badData, at: file.path, "\(quoted(name)) in it is compressed or encrypted",
      remedy: "give the file as PyTorch wrote it, not one that was packed again")
  }
}
