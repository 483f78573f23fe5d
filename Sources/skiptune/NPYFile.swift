import Files
import Foundation
import Tensors

/// NumPy's file of one array, version 1.0, in little-endian fp32.
enum NPYFile {
  /// Writes a tensor; the file is there whole or not at all.
  static func write(_ tensor: Tensor, to file: URL) throws {
    let shape = tensor.shape.map { "\($0)," }.joined(separator: " ")
    var header = "{'descr': '<f4', 'fortran_order': False, 'shape': (\(shape)), }"
    // Magic, version, length and header fill a multiple of 64 bytes; the header ends with a newline.
    header += String(repeating: " ", count: 63 - (10 + header.utf8.count) % 64) + "\n"
    var start: [UInt8] = [0x93] + Array("NUMPY".utf8) + [1, 0]
    start += withUnsafeBytes(of: UInt16(header.utf8.count).littleEndian, Array.init) + Array(header.utf8)
    try AtomicFile.replace(file) { descriptor in
      try start.withUnsafeBytes { try descriptor.write($0) }
      try descriptor.write(UnsafeRawBufferPointer(tensor.buffer))
    }
  }
}
