import Diagnostics
import Foundation

/// A new folder that is deleted with its owner.
final class TemporaryFolder {
  let url = FileManager.default.temporaryDirectory.appendingPathComponent(
    "files-\(UUID().uuidString)")

  init() throws {
    try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
  }

  deinit { try? FileManager.default.removeItem(at: url) }

  func file(_ name: String) -> URL { url.appendingPathComponent(name) }

  func write(_ text: String, to name: String) throws -> URL {
    try Data(text.utf8).write(to: file(name))
    return file(name)
  }

  func names() throws -> [String] {
    try FileManager.default.contentsOfDirectory(atPath: url.path).sorted()
  }
}

func text(of file: URL) throws -> String {
  String(decoding: try Data(contentsOf: file), as: UTF8.self)
}

/// The failure that `body` throws.
func failure(of body: () throws -> Void) -> Failure? {
  do {
    try body()
    return nil
  } catch {
    return error as? Failure
  }
}

struct Interruption: Error {}

/// Makes files end at 4096 bytes, which stands for a full disk; holds for the whole process, so only in a child.
func limitFileSizes() {
  signal(SIGXFSZ, SIG_IGN)
  var limit = rlimit(rlim_cur: 4096, rlim_max: 4096)
  #if canImport(Glibc)
  let status = setrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &limit)
  #else
  let status = setrlimit(RLIMIT_FSIZE, &limit)
  #endif
  precondition(status == 0)
}
