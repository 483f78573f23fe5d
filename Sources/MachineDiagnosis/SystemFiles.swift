import Foundation

/// What Linux tells about a machine in files; nil for what it does not tell.
struct SystemFiles: Sendable {
  /// `/`, or a folder that stands for it in tests.
  let root: String

  init(root: String = "/") { self.root = root }

  private static let limit = 1 << 20

  /// The beginning of a file; those of /proc have no size until they are read.
  func text(_ path: String) -> String? {
    guard let file = FileHandle(forReadingAtPath: root + path) else { return nil }
    defer { try? file.close() }
    guard let data = try? file.read(upToCount: Self.limit) else { return nil }
    return String(decoding: data, as: UTF8.self)
  }

  /// A file that holds one number, or begins with one.
  func number(_ path: String) -> Double? {
    text(path).flatMap { $0.split(whereSeparator: \.isWhitespace).first }.flatMap { Double($0) }
  }

  /// The text after `key` and a colon, on the first line that begins so.
  func field(_ key: String, in path: String) -> String? {
    guard let text = text(path) else { return nil }
    for line in text.split(separator: "\n") {
      let parts = line.split(separator: ":", maxSplits: 1)
      if parts.count == 2, parts[0].trimmingCharacters(in: .whitespaces) == key {
        return parts[1].trimmingCharacters(in: .whitespaces)
      }
    }
    return nil
  }

  /// A field such as `16384 kB`, in bytes.
  func bytes(_ key: String, in path: String) -> Int? {
    field(key, in: path).flatMap { $0.split(separator: " ").first }.flatMap { Int($0) }
      .map { $0.multipliedReportingOverflow(by: 1024).partialValue }
  }

  /// Numbers of a list such as `0-3,8`.
  static func numbers(_ list: String) -> [Int] {
    list.split(separator: ",").flatMap { part -> [Int] in
      let ends = part.split(separator: "-").map { Int($0.trimmingCharacters(in: .whitespacesAndNewlines)) }
      guard let first = ends.first ?? nil, let last = ends.last ?? nil, first <= last, last < 1 << 16 else { return [] }
      return Array(first...last)
    }
  }
}

/// Limits that a container or a batch job sets, read from control groups of either version.
struct ControlGroup {
  private let files: SystemFiles

  init(_ files: SystemFiles) { self.files = files }

  /// Folders of this process's group and those around it, of a controller; innermost first.
  private func folders(_ controller: String) -> [String] {
    let lines = (files.text("proc/self/cgroup") ?? "").split(separator: "\n")
      .map { $0.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false).map(String.init) }
      .filter { $0.count == 3 }
    let old = lines.first { $0[1].split(separator: ",").contains(Substring(controller)) }
    guard let line = old ?? lines.first(where: { $0[0] == "0" }) else { return [] }
    let mount = "sys/fs/cgroup" + (old == nil ? "" : "/\(controller)")
    var names = line[2].split(separator: "/")
    var folders: [String] = []
    while true {
      folders.append(([mount] + names.map(String.init)).joined(separator: "/"))
      if names.isEmpty { return folders }
      names.removeLast()
    }
  }

  /// Bytes that may be used and those in use that cannot be given back, of the group that is nearest to its limit.
  var memory: (limit: Int, used: Int)? {
    let groups = folders("memory").compactMap { folder -> (limit: Int, used: Int)? in
      let isNew = files.text("\(folder)/memory.max") != nil
      let limit = files.number("\(folder)/" + (isNew ? "memory.max" : "memory.limit_in_bytes"))
      // Without a limit, version 1 shows the largest number of pages.
      guard let limit, limit < 0x1p62 else { return nil }
      let current = files.number("\(folder)/" + (isNew ? "memory.current" : "memory.usage_in_bytes")) ?? 0
      return (Int(limit), max(0, Int(current) - cache("\(folder)/memory.stat", isNew ? "file" : "total_cache")))
    }
    return groups.min { $0.limit - $0.used < $1.limit - $1.used }
  }

  private func cache(_ path: String, _ key: String) -> Int {
    let line = (files.text(path) ?? "").split(separator: "\n").first { $0.hasPrefix(key + " ") }
    return line.flatMap { $0.split(separator: " ").last }.flatMap { Int($0) } ?? 0
  }

  /// CPUs' worth of time that may be used, of the narrowest group.
  var processors: Double? {
    folders("cpu").compactMap { folder -> Double? in
      let new = files.text("\(folder)/cpu.max")?.split(whereSeparator: \.isWhitespace).map { Double($0) }
      let quota = new?.first ?? files.number("\(folder)/cpu.cfs_quota_us")
      let period = new?.last ?? files.number("\(folder)/cpu.cfs_period_us")
      guard let quota, let period, quota > 0, period > 0 else { return nil }
      return quota / period
    }.min()
  }
}
