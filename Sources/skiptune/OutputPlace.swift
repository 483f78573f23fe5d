import Diagnostics
import Foundation

/// Where a command is told to write.
enum OutputPlace {
  /// Finds out before work is done whether a file can be written after it; one that is there may be replaced.
  ///
  /// Throws `Failure(.cannotCreate)`.
  static func judgeFile(_ output: String) throws {
    try judgeFolder(around: output)
    var isFolder: ObjCBool = false
    guard !FileManager.default.fileExists(atPath: output, isDirectory: &isFolder) || !isFolder.boolValue else {
      throw Failure(.cannotCreate, at: output, "is a folder", remedy: "give --output the name of a file")
    }
  }

  /// The same of a file or folder that must be new: what is there is never overwritten.
  ///
  /// Throws `Failure(.cannotCreate)`.
  static func judgeNew(_ output: String) throws {
    try judgeFolder(around: output)
    var status = stat()
    guard lstat(output, &status) != 0 else {
      throw Failure(
        .cannotCreate, at: output, "there is something of that name, which is not overwritten",
        remedy: "give another --output, or move it away")
    }
  }

  private static func judgeFolder(around output: String) throws {
    let folder = URL(fileURLWithPath: output).deletingLastPathComponent().path
    var isFolder: ObjCBool = false
    guard FileManager.default.fileExists(atPath: folder, isDirectory: &isFolder), isFolder.boolValue else {
      throw Failure(
        .cannotCreate, at: output, "cannot be created: \(folder) is not a folder",
        remedy: "create the folder first, or give another --output")
    }
    guard FileManager.default.isWritableFile(atPath: folder) else {
      throw Failure(
        .cannotCreate, at: output, "cannot be created: \(folder) cannot be written to", remedy: "give another --output")
    }
  }
}
