import Diagnostics
import Foundation
import Synchronization

/// Runs `body` with a new folder that is removed afterwards.
func withTemporaryFolder<T>(_ body: (URL) throws -> T) throws -> T {
  let folder = FileManager.default.temporaryDirectory.appendingPathComponent("reporting-\(UUID().uuidString)")
  try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
  defer { try? FileManager.default.removeItem(at: folder) }
  return try body(folder)
}

func text(of file: URL) throws -> String { String(decoding: try Data(contentsOf: file), as: UTF8.self) }

func write(_ text: String, to file: URL) throws { try Data(text.utf8).write(to: file) }

/// The failure that `body` throws.
func failure(of body: () throws -> Void) -> Failure? {
  do {
    try body()
    return nil
  } catch {
    return error as? Failure
  }
}

/// Collects what is written to a console.
final class Recorder: Sendable {
  private let pieces = Mutex<[String]>([])

  /// What was written since the last call.
  func take() -> [String] {
    pieces.withLock { pieces in
      defer { pieces = [] }
      return pieces
    }
  }

  func add(_ text: String) { pieces.withLock { $0.append(text) } }
}

/// A clock that goes on when told.
final class ManualClock: Sendable {
  private let time = Mutex(Duration.seconds(1000))

  func advance(_ seconds: Double) { time.withLock { $0 += .seconds(seconds) } }

  @Sendable func now() -> Duration { time.withLock { $0 } }
}
