import CZlib
import Diagnostics

/// Files that gzip compressed.
package enum Gzip {
  /// Whether bytes begin as such a file does.
  package static func isCompressed(_ bytes: some Collection<UInt8>) -> Bool { bytes.starts(with: [0x1f, 0x8b]) }

  /// The content of a compressed file that is called `name` in messages.
  ///
  /// Throws `.badData` where it is damaged, cut off, or larger than `limit` bytes when unpacked.
  package static func unpacked(_ bytes: [UInt8], limit: Int, name: String) throws -> [UInt8] {
    var stream = z_stream()
    // 16 more than the largest window: gzip's header and checksum.
    let status = inflateInit2_(&stream, 15 + 16, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size))
    precondition(status == Z_OK, "zlib does not start: \(status)")
    defer { inflateEnd(&stream) }
    var input = bytes
    var result: [UInt8] = []
    var piece = [UInt8](repeating: 0, count: 1 << 16)
    try input.withUnsafeMutableBufferPointer { input in
      stream.next_in = input.baseAddress
      stream.avail_in = UInt32(clamping: input.count)
      var status = Z_OK
      while status == Z_OK {
        let count = piece.withUnsafeMutableBufferPointer { piece in
          stream.next_out = piece.baseAddress
          stream.avail_out = UInt32(piece.count)
          status = inflate(&stream, Z_NO_FLUSH)
          return piece.count - Int(stream.avail_out)
        }
        guard count <= limit - result.count else {
          throw Failure(.badData, at: name, "it unpacks to more than \(limit) bytes", remedy: "check the file")
        }
        result += piece[..<count]
      }
      guard status == Z_STREAM_END, stream.avail_in == 0 else {
        throw Failure(.badData, at: name, "the compressed file is damaged", remedy: "fetch it again")
      }
    }
    return result
  }
}
