import Diagnostics
import Foundation

extension Failure {
  /// A failure of the operating system, in its own words; call it before anything else changes `errno`.
  package static func system(
    _ status: ExitStatus, _ problem: String, _ path: String, remedy: String? = nil
  ) -> Failure {
    let code = errno
    let usual =
      switch code {
      case ENOSPC, EDQUOT: "free some space on that disk"
      case EACCES, EPERM, EROFS: "choose a folder that you may write to, or change its permissions"
      case ENOENT, ENOTDIR: "create the folder first"
      default: "check the path and its disk"
      }
    return Failure(status, at: path, "\(problem): \(String(cString: strerror(code)))", remedy: remedy ?? usual)
  }
}

/// The result of a system call that says -1 on failure, made again as long as a signal interrupts it.
func uninterrupted<Result: SignedInteger>(_ call: () -> Result) -> Result {
  while true {
    let result = call()
    if result != -1 || errno != EINTR { return result }
  }
}
