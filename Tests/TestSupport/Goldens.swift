import Foundation

/// Where the committed reference results lie.
public enum Goldens {
  /// `Tests/Goldens/<path>`.
  ///
  /// Made by the scripts in Tests/Reference.
  public static func url(_ path: String) -> URL {
    repositoryRoot.appendingPathComponent("Tests/Goldens").appendingPathComponent(path)
  }

  /// The checkout that these tests were compiled from.
  public static let repositoryRoot = URL(fileURLWithPath: #filePath)
    .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
}
