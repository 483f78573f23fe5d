import Diagnostics
import Foundation

/// Readers with one fault each, which a run must find.
let faultyReaders: [String: ReaderMaker] = [
  "faulty-trap": faulty { bytes in _ = bytes[bytes.count] },
  "faulty-hang": faulty { _ in while true { usleep(1000) } },
  "faulty-memory": faulty { _ in
    let size = 512 << 20
    let memory = UnsafeMutableRawPointer.allocate(byteCount: size, alignment: 64)
    memset(memory, 1, size)
    if memory.load(fromByteOffset: size - 1, as: UInt8.self) == 0 { print(memory) }
    memory.deallocate()
  },
  "faulty-error": faulty { _ in throw CancellationError() },
  "faulty-status": faulty { _ in throw Failure(.internalError, "a defect") },
  "faulty-message": faulty { _ in throw Failure(.badData, "wrong", remedy: String(repeating: "long", count: 2000)) },
]

/// A reader of three bytes that takes them, and is at fault where the first one is not "a".
private func faulty(_ fault: @escaping @Sendable ([UInt8]) throws -> Void) -> ReaderMaker {
  { _ in
    FuzzReader(seeds: [FuzzSeed("file", "abc")]) { bytes, _ in if bytes.first != UInt8(ascii: "a") { try fault(bytes) }
    }
  }
}
