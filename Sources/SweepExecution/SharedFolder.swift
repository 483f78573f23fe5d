import Diagnostics
import Files
import Foundation

/// Files of a sweep that several jobs share.
enum SharedFolder {
  /// Names the folder as that of a sweep.
  static let marker = ".skiptune-sweep"

  static var decoder: JSONDecoder {
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    return decoder
  }

  /// Makes a folder unless it is there.
  static func create(_ folder: URL) throws {
    do {
      try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    } catch {
      throw Failure(
        .cannotCreate, at: folder.path, "the folder of the sweep cannot be created",
        remedy: "choose a folder that you may write to")
    }
  }

  /// Takes a folder for a sweep.
  ///
  /// Throws `Failure(.cannotCreate)` for one that holds other things.
  static func claim(_ folder: URL) throws {
    try create(folder)
    let names = try names(in: folder)
    guard names.isEmpty || names.contains(marker) || names.contains("trials") else {
      throw Failure(
        .cannotCreate, at: folder.path, "the folder holds files that are not of a sweep, such as \(names.sorted()[0])",
        remedy: "give an empty or new folder")
    }
    // Any number of jobs may do the same.
    let descriptor = open(folder.appending(path: marker).path, O_WRONLY | O_CREAT | O_CLOEXEC, 0o644)
    guard descriptor >= 0 else { throw Failure.system(.cannotCreate, "the folder cannot be written to", folder.path) }
    close(descriptor)
  }

  /// Names in a folder; none where it is not there.
  static func names(in folder: URL) throws -> [String] {
    do {
      return try FileManager.default.contentsOfDirectory(atPath: folder.path)
    } catch {
      guard FileManager.default.fileExists(atPath: folder.path) else { return [] }
      throw Failure(
        .inputOutput, at: folder.path, "the folder of the sweep cannot be read", remedy: "check its permissions")
    }
  }

  /// Writes a file aside and gives it a name that nothing has yet; false where something has.
  ///
  /// Throws `Failure` where the disk does not take it.
  static func publish(_ content: Data, at place: URL) throws -> Bool {
    let aside = place.deletingLastPathComponent().appending(path: ".\(UUID().uuidString).partial")
    try AtomicFile.write(content, to: aside)
    defer { unlink(aside.path) }
    let code = link(aside.path, place.path) == 0 ? 0 : errno
    // Over a network the answer to a link that was made may be lost, and the second question is told that it is there.
    if code == 0 || linkCount(of: aside) == 2 { return true }
    switch code {
    case EEXIST: return false
    case EPERM, ENOTSUP, EOPNOTSUPP, ENOSYS, EMLINK: return try create(place, content)
    default:
      errno = code
      throw Failure.system(.cannotCreate, "the file of the sweep cannot be put in its place", place.path)
    }
  }

  private static func linkCount(of file: URL) -> Int {
    var status = stat()
    return stat(file.path, &status) == 0 ? Int(status.st_nlink) : 0
  }

  /// For file systems without links: the name is one writer's alone, though not whole from its first moment on.
  private static func create(_ place: URL, _ content: Data) throws -> Bool {
    let number = open(place.path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o666)
    guard number >= 0 else {
      guard errno == EEXIST else {
        throw Failure.system(.cannotCreate, "the file of the sweep cannot be created", place.path)
      }
      return false
    }
    close(number)
    try AtomicFile.write(content, to: place)
    return true
  }

  /// The present time in ISO 8601.
  static var time: String { Date().formatted(.iso8601) }
}
