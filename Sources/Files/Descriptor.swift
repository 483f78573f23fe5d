import Diagnostics
import Foundation

/// An open file, closed with its owner.
///
/// Reads name their position, so threads may share a file that is read. All methods throw `Failure(.inputOutput)` at
/// `path` when the system refuses.
package struct Descriptor: ~Copyable, Sendable {
  /// -1 once closed.
  private var number: Int32
  /// What messages call the file.
  package let path: String

  private init(_ number: Int32, path: String) {
    self.number = number
    self.path = path
  }

  deinit {
    if number >= 0 { _ = Foundation.close(number) }
  }

  // MARK: Opening

  /// An existing regular file.
  ///
  /// `what` is what messages call it ("the split file"), `remedy` what to do when it is not there. Throws
  /// `.missingInput` when there is nothing at that path, `.badData` when there is something else than a regular file,
  /// `.inputOutput` when it cannot be opened.
  package static func reading(
    _ path: String, what: String = "the file", remedy: String = "check the path"
  ) throws -> Descriptor {
    // Without O_NONBLOCK, opening a named pipe would wait for its writer.
    let number = uninterrupted { open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK) }
    guard number >= 0 else {
      guard errno == ENOENT || errno == ENOTDIR else {
        throw Failure.system(
          .inputOutput, "\(what) cannot be opened", path, remedy: "check the permissions of the file and its folders")
      }
      throw Failure(.missingInput, at: path, "\(what) does not exist", remedy: remedy)
    }
    let file = Descriptor(number, path: path)
    guard try file.status().st_mode & S_IFMT == S_IFREG else {
      throw Failure(.badData, at: path, "\(what) must be a regular file", remedy: remedy)
    }
    return file
  }

  /// A new file, which messages call `name`.
  ///
  /// Throws `.cannotCreate`, also when there is something at that path.
  package static func creating(_ path: String, knownAs name: String) throws -> Descriptor {
    try opening(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, knownAs: name)
  }

  /// A file that is written at its end, created when there is none.
  ///
  /// Throws `.cannotCreate`.
  package static func appending(to path: String) throws -> Descriptor {
    try opening(path, O_RDWR | O_CREAT | O_APPEND, knownAs: path)
  }

  /// An existing regular file that is read and written at positions; nil where there is none that this user may write to.
  package static func updating(_ path: String) -> Descriptor? {
    let number = uninterrupted { open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK) }
    guard number >= 0 else { return nil }
    let file = Descriptor(number, path: path)
    guard let status = try? file.status(), status.st_mode & S_IFMT == S_IFREG else { return nil }
    return file
  }

  /// A file of which nothing but its locks matters, created when there is none.
  ///
  /// Throws `.cannotCreate`.
  package static func marker(_ path: String) throws -> Descriptor {
    try opening(path, O_RDWR | O_CREAT | O_NOFOLLOW, knownAs: path)
  }

  /// A new file that is read and written at positions, whose room on the disk is taken at once.
  ///
  /// Throws `.cannotCreate`, also when there is something at that path, and `.inputOutput` where the disk has no room;
  /// nothing is left then.
  package static func reserving(_ path: String, size: Int) throws -> Descriptor {
    let file = try opening(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, knownAs: path)
    // The one call that returns its error instead of setting errno.
    errno = posix_fallocate(file.number, 0, off_t(size))
    guard errno == 0 else {
      let failure = Failure.system(.inputOutput, "there is no room for \(size) bytes", path)
      unlink(path)
      throw failure
    }
    return file
  }

  private static func opening(_ path: String, _ flags: Int32, knownAs name: String) throws
    -> Descriptor
  {
    let number = uninterrupted { open(path, flags | O_CLOEXEC, 0o666) }
    guard number >= 0 else {
      throw Failure.system(.cannotCreate, "the file cannot be created", name)
    }
    return Descriptor(number, path: name)
  }

  /// A file of `size` bytes without a name, whose room on the disk is taken at once; it is gone when it is closed.
  ///
  /// `what` is what messages call it. Throws `.cannotCreate` where the folder takes no file, `.inputOutput` where it has no
  /// room for this one.
  package static func scratch(in folder: URL, size: Int, what: String) throws -> Descriptor {
    var name = Array(folder.appendingPathComponent(".skiptune-XXXXXX").path.utf8CString)
    let number = uninterrupted { mkstemp(&name) }
    guard number >= 0 else { throw Failure.system(.cannotCreate, "\(what) cannot be created here", folder.path) }
    let file = Descriptor(number, path: folder.path)
    unlink(name)
    _ = fcntl(number, F_SETFD, FD_CLOEXEC)
    // The one call that returns its error instead of setting errno.
    errno = size > 0 ? posix_fallocate(number, 0, off_t(size)) : 0
    guard errno == 0 else {
      throw Failure.system(.inputOutput, "there is no room for \(what), \(size) bytes", folder.path)
    }
    return file
  }

  // MARK: Content

  /// The size in bytes; 0 for what is no regular file.
  package func size() throws -> Int { Int(try status().st_size) }

  /// What tells whether a file's content has been changed since.
  package struct Version: Equatable, Sendable {
    private let size, seconds, nanoseconds: Int

    fileprivate init(_ status: stat) {
      size = Int(status.st_size)
      #if os(Linux)
      (seconds, nanoseconds) = (status.st_mtim.tv_sec, status.st_mtim.tv_nsec)
      #else
      (seconds, nanoseconds) = (status.st_mtimespec.tv_sec, status.st_mtimespec.tv_nsec)
      #endif
    }
  }

  /// Size and time of the last change.
  package func version() throws -> Version { Version(try status()) }

  /// Whether the file still has a name.
  package func isNamed() throws -> Bool { try status().st_nlink > 0 }

  /// Makes the file look written to just now.
  package func touch() { _ = futimens(number, nil) }

  /// What other processes may do at the same time.
  package enum Lock: Sendable {
    case shared, exclusive
  }

  /// Takes a lock that lasts as long as the file is open; false where another one forbids it.
  ///
  /// File systems without locks are taken at their word.
  package func lock(_ kind: Lock) -> Bool {
    let wish = kind == .shared ? LOCK_SH : LOCK_EX
    return uninterrupted { flock(number, wish | LOCK_NB) } == 0 || errno != EWOULDBLOCK
  }

  /// Bytes that this user may still write to the file's disk.
  package func freeBytes() throws -> Int {
    var status = statvfs()
    guard fstatvfs(number, &status) == 0 else {
      throw Failure.system(.inputOutput, "the disk cannot be examined", path)
    }
    return Int(clamping: UInt64(status.f_bavail).multipliedReportingOverflow(by: UInt64(status.f_frsize)).partialValue)
  }

  private func status() throws -> stat {
    var status = stat()
    guard fstat(number, &status) == 0 else {
      throw Failure.system(.inputOutput, "the file cannot be examined", path)
    }
    return status
  }

  /// Fills `buffer` from byte `offset` on.
  package func read(into buffer: UnsafeMutableRawBufferPointer, at offset: Int) throws {
    var done = 0
    while done < buffer.count {
      let size = min(buffer.count - done, Self.largestTransfer)
      let count = uninterrupted {
        pread(number, buffer.baseAddress! + done, size, off_t(offset + done))
      }
      guard count >= 0 else { throw Failure.system(.inputOutput, "the file cannot be read", path) }
      guard count > 0 else {
        throw Failure(
          .inputOutput, at: path, "the file became shorter while it was read", remedy: "do not change files in use")
      }
      done += count
    }
  }

  /// Writes all of `buffer` after what was written before.
  package func write(_ buffer: UnsafeRawBufferPointer) throws {
    try Self.write(buffer, to: number, path: path)
  }

  /// Writes all of `buffer` from byte `offset` on.
  package func write(_ buffer: UnsafeRawBufferPointer, at offset: Int) throws {
    var done = 0
    while done < buffer.count {
      let size = min(buffer.count - done, Self.largestTransfer)
      let count = uninterrupted { pwrite(number, buffer.baseAddress! + done, size, off_t(offset + done)) }
      guard count > 0 else { throw Failure.system(.inputOutput, "writing failed", path) }
      done += count
    }
  }

  /// Writes all of `buffer` to a descriptor that somebody else owns, such as standard error.
  package static func write(_ buffer: UnsafeRawBufferPointer, to number: Int32, path: String) throws {
    var done = 0
    while done < buffer.count {
      let size = min(buffer.count - done, largestTransfer)
      let count = uninterrupted { Foundation.write(number, buffer.baseAddress! + done, size) }
      guard count > 0 else { throw Failure.system(.inputOutput, "writing failed", path) }
      done += count
    }
  }

  /// Linux moves at most 2 GiB - 4 KiB in one call.
  private static let largestTransfer = 1 << 30

  // MARK: Finishing

  /// Waits until the content is on the disk.
  package func synchronize() throws {
    guard uninterrupted({ fsync(number) }) == 0 else { throw unsynchronized }
  }

  /// As `synchronize()`; pipes and devices, which have nothing to wait for, are left alone.
  package func synchronizeWherePossible() throws {
    guard uninterrupted({ fsync(number) }) == 0 || [EINVAL, EROFS, ENOTSUP].contains(errno) else {
      throw unsynchronized
    }
  }

  private var unsynchronized: Failure {
    Failure.system(.inputOutput, "the file cannot be flushed to the disk", path)
  }

  /// Waits until the names in a folder are on the disk, where the file system can do that.
  package static func synchronize(folder: URL) throws {
    let number = uninterrupted { open(folder.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) }
    guard number >= 0 else {
      throw Failure.system(.inputOutput, "the folder cannot be opened", folder.path)
    }
    // Some network file systems have no sync for folders and say so.
    try Descriptor(number, path: folder.path).synchronizeWherePossible()
  }

  /// Closes the file; on network file systems the first to say that writing failed.
  package consuming func close() throws {
    let status = Foundation.close(number)
    // Linux has closed the file even when it failed or a signal interrupted it.
    number = -1
    guard status == 0 || errno == EINTR else {
      throw Failure.system(.inputOutput, "writing failed", path)
    }
  }
}
