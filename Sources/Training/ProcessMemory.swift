import Foundation

/// Memory of this process.
enum ProcessMemory {
  /// Largest resident size since the last ``resetPeak()``, or since the process began where the system cannot forget; in
  /// bytes.
  static var peakBytes: Int64 { statusPeak ?? usagePeak }

  /// Begins to measure anew, so that each of several runs in one process has a peak of its own.
  static func resetPeak() {
    guard let file = fopen("/proc/self/clear_refs", "w") else { return }
    fputs("5", file)  // Linux: resets VmHWM to the present size.
    fclose(file)
  }

  /// VmHWM of Linux, the peak that can be reset.
  private static var statusPeak: Int64? {
    guard let status = try? String(contentsOfFile: "/proc/self/status", encoding: .utf8),
      let line = status.split(separator: "\n").first(where: { $0.hasPrefix("VmHWM:") })
    else { return nil }
    return line.split(whereSeparator: { $0 == " " || $0 == "\t" }).dropFirst().first.flatMap { Int64($0) }
      .map { $0 * 1024 }
  }

  private static var usagePeak: Int64 {
    var usage = rusage()
    getrusage(RUSAGE_SELF_VALUE, &usage)
    #if os(Linux)
    return Int64(usage.ru_maxrss) * 1024  // Linux counts in KiB.
    #else
    return Int64(usage.ru_maxrss)
    #endif
  }
}

#if os(Linux)
private let RUSAGE_SELF_VALUE = __rusage_who_t(RUSAGE_SELF.rawValue)
#else
private let RUSAGE_SELF_VALUE = RUSAGE_SELF
#endif
