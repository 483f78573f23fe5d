import Foundation

/// Commands that may mount file systems of their own, which nobody else sees.
public enum PrivateMounts {
  /// Whether this machine lets us; a small disk is tried.
  public static func areAllowed() throws -> Bool {
    try withScratchFolder { folder in
      guard FileManager.default.isExecutableFile(atPath: unshare.path) else { return false }
      return try run("mount -t tmpfs -o size=64k none \"$0\"", [folder.path]).status == 0
    }
  }

  /// Runs a script of bash, to which the arguments are `$0`, `$1` and so on.
  public static func run(
    _ script: String, _ arguments: [String], environment: [String: String] = ProcessInfo.processInfo.environment
  ) throws -> ProcessRunner.Outcome {
    try ProcessRunner.run(
      unshare, ["--mount", "--map-root-user", "bash", "-c", script] + arguments, environment: environment,
      timeout: .seconds(60))
  }

  private static let unshare = URL(fileURLWithPath: "/usr/bin/unshare")
}
