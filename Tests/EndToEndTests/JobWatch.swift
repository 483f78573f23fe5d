import Foundation
import Testing

/// Looks at jobs that run beside a test.
enum JobWatch {
  /// Returns when a condition holds; a test that waits too long fails.
  static func wait(upTo limit: Duration = .seconds(60), for condition: () throws -> Bool) async throws {
    let deadline = ContinuousClock.now + limit
    while !(try condition()) {
      try #require(ContinuousClock.now < deadline, "the job does not do what is waited for")
      try await Task.sleep(for: .milliseconds(20))
    }
  }

  /// The process of one rank of the job whose command line mentions a path.
  static func process(ofRank rank: Int, mentioning path: String) -> pid_t? {
    process(mentioning: path) { strings("/proc/\($0)/environ").contains("OMPI_COMM_WORLD_RANK=\(rank)") }
  }

  /// Kills all processes at once whose command line mentions a path, launchers too.
  static func killAll(mentioning path: String) {
    let processes = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
    for process in processes.compactMap({ pid_t($0) }).sorted() where strings("/proc/\(process)/cmdline").contains(path)
    {
      kill(process, SIGKILL)
    }
  }

  /// The oldest process of a program whose command line mentions a path.
  static func process(named name: String, mentioning path: String) -> pid_t? {
    process(mentioning: path) { (try? String(contentsOfFile: "/proc/\($0)/comm", encoding: .utf8)) == name + "\n" }
  }

  private static func process(mentioning path: String, where isWanted: (pid_t) -> Bool) -> pid_t? {
    let processes = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
    return processes.lazy.compactMap { pid_t($0) }.sorted().first { process in
      isWanted(process) && strings("/proc/\(process)/cmdline").contains(path)
    }
  }

  private static func strings(_ file: String) -> [String] {
    guard let data = FileManager.default.contents(atPath: file) else { return [] }
    return data.split(separator: 0).map { String(decoding: $0, as: UTF8.self) }
  }
}
