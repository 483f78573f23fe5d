import Diagnostics
import Foundation

/// What lies in a folder: names sorted by their bytes, as Python sorts them, as directories have no order of their own.
///
/// Names that begin with a dot are left out. Links count as what they lead to.
struct FolderListing {
  /// A folder with more entries is refused; the largest of the published data sets have some thousands.
  static let entryLimit = 10_000_000

  /// The folders in it.
  private(set) var folders: [String] = []
  /// Everything else in it.
  private(set) var files: [String] = []

  /// Lists the folder at `url`; `what` is what messages call it ("the image folder").
  ///
  /// Throws `Failure`: `.missingInput` where there is no folder, `.inputOutput` where it cannot be read, `.badData` where a
  /// name is not UTF-8 or there are too many.
  init(of url: URL, what: String = "the folder", remedy: String = "correct the data root or the folder") throws {
    guard let stream = opendir(url.path) else {
      guard errno == ENOENT || errno == ENOTDIR else {
        throw Failure(
          .inputOutput, at: url.path, "\(what) cannot be read: \(String(cString: strerror(errno)))",
          remedy: "check its permissions")
      }
      throw Failure(.missingInput, at: url.path, "\(what) does not exist", remedy: remedy)
    }
    defer { closedir(stream) }
    var count = 0
    while let entry = try Self.next(in: stream, url) {
      guard entry.name.first != UInt8(ascii: ".") else { continue }
      count += 1
      guard count <= Self.entryLimit else {
        throw Failure(.badData, at: url.path, "\(what) has more than \(Self.entryLimit) entries")
      }
      guard let name = String(validating: entry.name, as: UTF8.self) else {
        throw Failure(
          .badData, at: url.path, "\(what) holds a name that is not UTF-8: \(Self.escaped(entry.name))",
          remedy: "rename it")
      }
      if try Self.isFolder(entry, name, in: url) { folders.append(name) } else { files.append(name) }
    }
    folders.sort(by: Self.precedes)
    files.sort(by: Self.precedes)
  }

  /// The files whose names end as those of pictures do, those in formats that cannot be read included: these are to be
  /// reported, while notes and thumbnails' indices are nobody's image.
  var images: [String] {
    files.filter { name in
      guard let dot = name.utf8.lastIndex(of: UInt8(ascii: ".")) else { return false }
      return Self.pictureExtensions.contains(name[dot...].dropFirst().lowercased())
    }
  }

  /// Python's order of texts: by code point, which is by byte of UTF-8.
  static func precedes(_ left: String, _ right: String) -> Bool { left.utf8.lexicographicallyPrecedes(right.utf8) }

  private static let pictureExtensions: Set = ["jpg", "jpeg", "png", "gif", "bmp", "webp", "tif", "tiff"]

  private struct Entry {
    let name: [UInt8]
    let type: UInt8
  }

  private static func next(in stream: OpaquePointer, _ url: URL) throws -> Entry? {
    errno = 0
    guard let entry = readdir(stream) else {
      guard errno == 0 else {
        throw Failure(
          .inputOutput, at: url.path, "the folder cannot be read: \(String(cString: strerror(errno)))",
          remedy: "check the disk")
      }
      return nil
    }
    let start = UnsafeRawPointer(entry) + MemoryLayout<dirent>.offset(of: \.d_name)!
    let name = start.assumingMemoryBound(to: CChar.self)
    return Entry(name: Array(UnsafeRawBufferPointer(start: start, count: strlen(name))), type: entry.pointee.d_type)
  }

  private static func isFolder(_ entry: Entry, _ name: String, in url: URL) throws -> Bool {
    if entry.type == UInt8(DT_DIR) { return true }
    // File systems need not say, and links have to be followed.
    guard entry.type == UInt8(DT_LNK) || entry.type == UInt8(DT_UNKNOWN) else { return false }
    var status = stat()
    return stat(url.path + "/" + name, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
  }

  private static func escaped(_ name: [UInt8]) -> String {
    name.map { (0x20..<0x7f).contains($0) ? String(UnicodeScalar($0)) : "\\x" + String($0, radix: 16) }.joined()
  }
}
