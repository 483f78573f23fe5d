import Foundation

/// Where the build has put the executables that tests start.
public enum BuiltProducts {
  /// No folder that was searched holds the executable.
  public struct Missing: Error, CustomStringConvertible {
    /// Which executable, where it was sought, and how to build it.
    public let description: String
  }

  /// An executable of this package, from the same build as the running tests.
  ///
  /// Sought in the folder that `SKIPTUNE_BIN_DIR` names, or if that is not set beside the test bundle and this process's own
  /// executable, then in the build folder of the checkout. Throws if it is not there.
  public static func url(_ name: String) throws -> URL {
    let candidates = folders.map { $0.appendingPathComponent(name) }
    guard let found = candidates.first(where: { FileManager.default.isExecutableFile(atPath: $0.path) }) else {
      let places = folders.map(\.path).joined(separator: ", ")
      throw Missing(
        description: "\(name) is in none of \(places); run swift build --build-tests or set SKIPTUNE_BIN_DIR")
    }
    return found
  }

  private static var folders: [URL] {
    if let folder = ProcessInfo.processInfo.environment["SKIPTUNE_BIN_DIR"] { return [URL(fileURLWithPath: folder)] }
    // Depending on the SwiftPM version the bundle is this executable, or one of the arguments of a helper.
    let bundles = CommandLine.arguments.filter { $0.hasSuffix(".xctest") }.map { URL(fileURLWithPath: $0) }
    let own = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath()
    let checkout = Goldens.repositoryRoot.appendingPathComponent(".build")
    return (bundles + [own]).map { $0.deletingLastPathComponent() }
      + ["release", "debug"].map { checkout.appendingPathComponent($0) }
  }
}
