#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// Memory of this process.
enum ProcessMemory {
  /// Largest resident size so far, in bytes.
  static var peakBytes: Int64 {
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
