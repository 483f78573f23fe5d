import Files
import Foundation
import StrictJSON
import TestSupport

extension ScratchFolder {
  func write(_ bytes: some Sequence<UInt8>, to name: String = "x.safetensors") throws -> URL {
    let file = file(name)
    try Data(bytes).write(to: file)
    return file
  }

  func contents() throws -> [String] { try FileManager.default.contentsOfDirectory(atPath: url.path).sorted() }
}

/// What the reference implementation's golden file of that name says.
func golden(_ name: String) throws -> JSONValue {
  let url = Goldens.url("safetensors/\(name).json")
  return try JSONValue(parsing: SmallFile.bytes(of: url, limit: 1 << 20), file: url.path)
}

/// The bytes of a safetensors file with the given JSON and that many zeros as data.
func fileBytes(_ header: String, dataSize: Int = 0, claimedLength: UInt64? = nil) -> [UInt8] {
  let text = Array(header.utf8)
  let length = withUnsafeBytes(of: (claimedLength ?? UInt64(text.count)).littleEndian) { Array($0) }
  return length + text + [UInt8](repeating: 0, count: dataSize)
}
