import Foundation

/// Runs a program to its end and keeps what it writes.
public enum ProcessRunner {
  /// How a program ended.
  public struct Outcome: Sendable {
    /// Exit status, or 128 + the number of the signal that ended the program.
    public var status: Int32
    /// What it wrote to standard output.
    public var stdout: String
    /// What it wrote to standard error.
    public var stderr: String
    /// Whether it was ended because it took too long.
    public var timedOut: Bool
  }

  /// The program could not be started.
  public struct StartFailure: Error, CustomStringConvertible {
    /// Which program, and why not.
    public let description: String
  }

  /// Time between the polite and the final signal.
  private static let grace = Duration.seconds(5)
  /// Held from making pipes until the program runs, so that no other program inherits them between the two.
  private static let starting = NSLock()

  /// Starts a program in a process group of its own, without input, and waits for its end.
  ///
  /// Both outputs are read meanwhile, so the program never blocks on a full pipe. After `timeout` the whole group gets
  /// SIGTERM, five seconds later SIGKILL. `environment` replaces that of this process. Throws if the program cannot be
  /// started.
  public static func run(
    _ executable: URL, _ arguments: [String], environment: [String: String] = ProcessInfo.processInfo.environment,
    timeout: Duration
  ) throws -> Outcome {
    var output = Pipe(), errors = Pipe()
    defer {
      output.close()
      errors.close()
    }
    let process = try starting.withLock {
      try output.open()
      try errors.open()
      return try start(executable, arguments, environment, output: output, errors: errors)
    }
    output.closeWriteEnd()
    errors.closeWriteEnd()
    let clock = ContinuousClock()
    let deadline = clock.now + timeout
    var status: Int32?
    var exited: ContinuousClock.Instant?
    var isTimedOut = false
    // A left-over grandchild may hold the pipes open after the program's end: then stop reading after a while.
    while status == nil || (output.isOpen || errors.isOpen) && clock.now < exited! + grace {
      Pipe.readAvailable(&output, &errors)
      if status == nil, let ended = exitStatus(of: process) { (status, exited) = (ended, clock.now) }
      if status == nil && clock.now > deadline {
        kill(-process, clock.now > deadline + grace ? SIGKILL : SIGTERM)
        isTimedOut = true
      }
    }
    kill(-process, SIGKILL)
    return Outcome(status: status!, stdout: output.text, stderr: errors.text, timedOut: isTimedOut)
  }

  private static func start(
    _ executable: URL, _ arguments: [String], _ environment: [String: String], output: Pipe, errors: Pipe
  ) throws -> pid_t {
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
    posix_spawn_file_actions_adddup2(&actions, output.writeEnd, 1)
    posix_spawn_file_actions_adddup2(&actions, errors.writeEnd, 2)
    var attributes = posix_spawnattr_t()
    posix_spawnattr_init(&attributes)
    posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK))
    posix_spawnattr_setpgroup(&attributes, 0)
    // Threads that run tests block most signals, and a program would inherit that and be deaf to SIGTERM.
    var noSignals = sigset_t()
    sigemptyset(&noSignals)
    posix_spawnattr_setsigmask(&attributes, &noSignals)
    let argv = ([executable.path] + arguments).map { strdup($0) } + [nil]
    let envp = environment.map { strdup("\($0.key)=\($0.value)") } + [nil]
    defer {
      for string in argv + envp { free(string) }
      posix_spawn_file_actions_destroy(&actions)
      posix_spawnattr_destroy(&attributes)
    }
    var process: pid_t = 0
    let code = posix_spawnp(&process, executable.path, &actions, &attributes, argv, envp)
    guard code == 0 else {
      throw StartFailure(description: "\(executable.path): \(String(cString: strerror(code)))")
    }
    return process
  }

  /// Nil while the process runs.
  private static func exitStatus(of process: pid_t) -> Int32? {
    var status: Int32 = 0
    guard waitpid(process, &status, WNOHANG) == process else { return nil }
    let signal = status & 0x7f
    return signal == 0 ? (status >> 8) & 0xff : 128 + signal
  }
}

/// A pipe whose read end collects bytes; programs do not inherit its ends.
private struct Pipe {
  private(set) var readEnd: Int32 = -1
  private(set) var writeEnd: Int32 = -1
  private var bytes: [UInt8] = []

  mutating func open() throws {
    var ends: [Int32] = [-1, -1]
    guard pipe(&ends) == 0 else { throw ProcessRunner.StartFailure(description: "no pipe is left") }
    for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
    (readEnd, writeEnd) = (ends[0], ends[1])
  }

  var isOpen: Bool { readEnd >= 0 }
  var text: String { String(decoding: bytes, as: UTF8.self) }

  mutating func closeWriteEnd() {
    if writeEnd >= 0 { Foundation.close(writeEnd) }
    writeEnd = -1
  }

  mutating func close() {
    closeWriteEnd()
    if readEnd >= 0 { Foundation.close(readEnd) }
    readEnd = -1
  }

  /// Waits up to 20 ms for bytes in either pipe and takes what is there.
  static func readAvailable(_ first: inout Pipe, _ second: inout Pipe) {
    var polled = [first, second].map { pollfd(fd: $0.readEnd, events: Int16(POLLIN), revents: 0) }
    guard poll(&polled, 2, 20) > 0 else { return }
    if polled[0].revents != 0 { first.readOnce() }
    if polled[1].revents != 0 { second.readOnce() }
  }

  private mutating func readOnce() {
    var buffer = [UInt8](repeating: 0, count: 1 << 16)
    let count = read(readEnd, &buffer, buffer.count)
    if count > 0 { bytes += buffer.prefix(count) } else { close() }
  }
}
