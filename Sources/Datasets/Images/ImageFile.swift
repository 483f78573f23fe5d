import Diagnostics
import Foundation

#if canImport(Glibc)
import Glibc
#endif

/// Reads whole image files.
enum ImageFile {
  /// Far above any picture within the pixel limit; stops a mistaken path (a tar of the data set) from filling memory.
  static let sizeLimit = 1 << 30

  /// The content of a regular file.
  ///
  /// Throws `.missingInput` when there is none, `.inputOutput` when it cannot be read.
  static func read(_ url: URL) throws -> [UInt8] {
    let path = url.path
    // Without O_NONBLOCK, opening a named pipe would wait for a writer for ever.
    let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard descriptor >= 0 else { throw openFailure(path, errno) }
    defer { close(descriptor) }
    var information = stat()
    guard fstat(descriptor, &information) == 0 else { throw readFailure(path, errno) }
    guard information.st_mode & S_IFMT == S_IFREG else {
      throw Failure(.inputOutput, at: path, "is not a regular file", remedy: "give the path of an image file")
    }
    guard information.st_size <= sizeLimit else {
      throw Failure(
        .badData, at: path, "has \(information.st_size) bytes, above the limit of \(sizeLimit) for an image")
    }
    return try contents(of: descriptor, size: Int(information.st_size), path: path)
  }

  private static func contents(of descriptor: Int32, size: Int, path: String) throws -> [UInt8] {
    try [UInt8](unsafeUninitializedCapacity: size) { buffer, count in
      while count < size {
        let step = Foundation.read(descriptor, buffer.baseAddress! + count, size - count)
        if step < 0, errno == EINTR { continue }
        guard step >= 0 else { throw readFailure(path, errno) }
        if step == 0 { break }
        count += step
      }
    }
  }

  private static func openFailure(_ path: String, _ code: Int32) -> Failure {
    guard code == ENOENT || code == ENOTDIR else { return readFailure(path, code) }
    return Failure(.missingInput, at: path, "there is no such image", remedy: "check the path")
  }

  private static func readFailure(_ path: String, _ code: Int32) -> Failure {
    Failure(.inputOutput, at: path, "the image cannot be read: \(String(cString: strerror(code)))")
  }
}
