import Diagnostics
import Foundation

/// Runs `body` with a new folder that is removed afterwards.
func withScratchFolder<T>(_ body: (URL) throws -> T) throws -> T {
  let folder = FileManager.default.temporaryDirectory.appendingPathComponent("shards-\(UUID().uuidString)")
  try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
  defer { try? FileManager.default.removeItem(at: folder) }
  return try body(folder)
}

/// The failure that `body` throws; another error counts as none.
func failure(of body: () throws -> Void) -> Failure? {
  do {
    try body()
    return nil
  } catch {
    return error as? Failure
  }
}

/// Words where float arithmetic has its edges, and their neighbours.
let edgeWords: [UInt32] = [
  0, 1, 2, 0x007F_FFFF, 0x0080_0000, 0x3F80_0000, 0x7F7F_FFFF, 0x7F80_0000, 0x7F80_0001, 0x7FC0_0000, 0x7FFF_FFFF,
  0x8000_0000, 0x8000_0001, 0x807F_FFFF, 0x8080_0000, 0xBF80_0000, 0xFF7F_FFFF, 0xFF80_0000, 0xFF80_0001, 0xFFC0_0001,
  0xFFFF_FFFF,
]
