import CMPIShims
import Foundation

/// The launcher or daemon of Open MPI that has started this process.
struct LauncherProcess {
  /// What the kernel calls it.
  let name: String
  /// Its process number.
  let number: Int32
  /// When it started, in ticks of the kernel; together with the number it names one process for ever.
  let startTime: String

  /// Those of Open MPI 4, and of Open MPI 5, whose mpirun becomes prterun.
  private static let names = ["mpirun", "mpiexec", "orterun", "orted", "prterun", "prte", "prted"]

  /// Its command line.
  var arguments: [String] {
    let line = FileManager.default.contents(atPath: "/proc/\(number)/cmdline") ?? Data()
    return line.split(separator: 0).map { String(decoding: $0, as: UTF8.self) }
  }

  /// The nearest ancestor that is one, if there is any.
  static func nearest() -> LauncherProcess? {
    var process = getppid()
    while process > 1 {
      // "pid (name) state parent ...", where the name may contain anything but is the last thing in parentheses.
      guard let line = try? String(contentsOfFile: "/proc/\(process)/stat", encoding: .utf8),
        let open = line.firstIndex(of: "("), let close = line.lastIndex(of: ")")
      else { return nil }
      let fields = line[line.index(after: close)...].split(separator: " ")
      guard fields.count > 19, let parent = Int32(fields[1]) else { return nil }
      let name = String(line[line.index(after: open)..<close])
      if names.contains(name) {
        return LauncherProcess(name: name, number: process, startTime: String(fields[19]))
      }
      process = parent
    }
    return nil
  }

  /// Kills it after a time if it is still there then, whatever becomes of this process.
  ///
  /// In a session of its own, as the launcher ends the groups of its processes. Told to end a job of which a host does not answer, the launcher of Open MPI 4.1 at times waits for that host for ever.
  func killLater(after limit: Duration) {
    let script = """
      sleep \(Int(limit / .seconds(1)))
      read -r line < /proc/\(number)/stat && set -- ${line##*) } && [ "${20}" = \(startTime) ] && kill -KILL \(number)
      """
    _ = process_shim_run_detached(script)
  }
}
