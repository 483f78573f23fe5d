import Foundation

/// The terminal that a rank's words come to by way of mpirun, whose pipe its standard error is.
struct LauncherTerminal: Sendable {
  /// Whether this is the rank that may rewrite a line there: one alone can.
  let mayRewrite: Bool
  private let descriptor: Int32

  /// nil where the launcher is on another host, writes to no terminal, or puts marks before lines, into which nothing can be
  /// rewritten.
  init?(environment: [String: String], launcher: pid_t = getppid()) {
    guard let rank = environment["OMPI_COMM_WORLD_RANK"], !Self.marksLines(environment, Self.commandLine(of: launcher))
    else { return nil }
    // Neither waits for a device, nor becomes the process's own terminal.
    descriptor = open("/proc/\(launcher)/fd/2", O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC)
    guard descriptor >= 0 else { return nil }
    guard isatty(descriptor) == 1 else {
      close(descriptor)
      return nil
    }
    mayRewrite = rank == "0"
  }

  /// The width of the window now.
  var columns: Int { Self.columns(of: descriptor) }

  /// The width of a terminal; 80 where it does not tell.
  static func columns(of descriptor: Int32) -> Int {
    var size = winsize()
    return ioctl(descriptor, UInt(TIOCGWINSZ), &size) == 0 && size.ws_col > 0 ? Int(size.ws_col) : 80
  }

  /// Whether a launcher, if it is one of Open MPI's, changes what ranks say or takes it elsewhere.
  static func marksLines(_ environment: [String: String], _ arguments: [String]) -> Bool {
    // Version 5 of Open MPI hands over to prterun.
    let launchers: Set = ["mpirun", "mpiexec", "orterun", "prterun"]
    guard let name = arguments.first?.split(separator: "/").last, launchers.contains(String(name)) else { return true }
    let options: Set = ["tag-output", "timestamp-output", "xml", "output-filename", "output", "xterm"]
    let variables = [
      "OMPI_MCA_orte_tag_output", "OMPI_MCA_orte_timestamp_output", "PRTE_MCA_prte_tag_output",
      "PRTE_MCA_prte_timestamp_output",
    ]
    return arguments.contains { $0.hasPrefix("-") && options.contains(String($0.drop { $0 == "-" })) }
      || variables.contains { environment[$0] != nil }
  }

  private static func commandLine(of process: pid_t) -> [String] {
    guard let bytes = FileManager.default.contents(atPath: "/proc/\(process)/cmdline") else { return [] }
    return bytes.split(separator: 0).map { String(decoding: $0, as: UTF8.self) }
  }
}
