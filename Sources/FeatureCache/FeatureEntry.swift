import Diagnostics
import Files
import Foundation
import ShardFiles

/// The features of a list of images at one place of one model, in a file that several processes read and fill.
///
/// Each image's features stand for themselves, behind a hash that is written after them: what is not there yet, torn, or
/// damaged is known as such and never used. Whoever writes an image that is there already writes the same bytes. The file is
/// read by calls rather than mapped: its pages are shared by all processes of the host all the same, and neither a bad disk
/// nor a file that somebody cuts is a signal.
public final class FeatureEntry: Sendable {
  /// What lies at an image's place.
  public enum Content: Sendable, Equatable {
    /// Features that somebody with this number has made.
    case whole(maker: UInt64)
    case absent, damaged
  }

  /// What it is for.
  public let description: EntryDescription
  private let file: Descriptor

  private init(_ description: EntryDescription, _ file: consuming Descriptor) {
    self.description = description
    self.file = file
  }

  /// An empty entry at a place where there is nothing, with room on the disk for all its images.
  ///
  /// Throws `Failure(.cannotCreate)` where the folder takes no file, and `.inputOutput` where the disk has no room or fails.
  public static func create(_ description: EntryDescription, at path: String) throws -> FeatureEntry {
    let file = try Descriptor.reserving(path, size: description.fileSize)
    do {
      try EntryFormat.header(description).withUnsafeBytes { try file.write($0, at: 0) }
    } catch {
      unlink(path)
      throw error
    }
    _ = file.lock(.shared)
    return FeatureEntry(description, file)
  }

  /// The entry at a place; nil where there is none, or somebody is about to delete it.
  ///
  /// Throws `Failure(.badData)` where what is there is something else, or the entry of something else. As long as the object
  /// lives, nobody who keeps to the locks deletes the file.
  public static func open(_ description: EntryDescription, at path: String) throws -> FeatureEntry? {
    guard let file = Descriptor.updating(path), file.lock(.shared), try file.isNamed() else { return nil }
    guard let found = try read(file), found.fits(description) else {
      throw Failure(
        .badData, at: path, "this is no whole file of these features", remedy: "delete it")
    }
    file.touch()
    return FeatureEntry(description, file)
  }

  /// What a file is for, and how many images it has; nil for no entry.
  static func look(at path: String) throws -> (description: EntryDescription, present: Int)? {
    guard let file = Descriptor.updating(path), let found = try read(file) else { return nil }
    return (found, try FeatureEntry(found, file).presentCount())
  }

  /// What a file says it is; nil for no entry, or one that is cut.
  private static func read(_ file: borrowing Descriptor) throws -> EntryDescription? {
    let size = try file.size()
    guard size >= EntryFormat.headerSize else { return nil }
    var header = [UInt8](repeating: 0, count: EntryFormat.headerSize)
    try header.withUnsafeMutableBytes { try file.read(into: $0, at: 0) }
    guard let found = EntryFormat.read(header), found.fileSize == size else { return nil }
    return found
  }

  /// Who has made an image's features, if they seem to be there.
  public func maker(of image: Int) -> UInt64? { (try? record(image))?.maker }

  /// Reads an image's features; the bytes are undefined unless they are whole.
  ///
  /// Throws `Failure(.inputOutput)` where the disk fails. Traps for other images and sizes.
  public func read(_ image: Int, into bytes: UnsafeMutableRawBufferPointer) throws -> Content {
    check(image, bytes.count)
    guard let record = try record(image) else { return .absent }
    try file.read(into: bytes, at: description.position(image))
    return record.hash == hash(image, UnsafeRawBufferPointer(bytes), record.maker)
      ? .whole(maker: record.maker) : .damaged
  }

  /// Keeps an image's features; `maker` stands for whatever may round them differently.
  ///
  /// Throws `Failure(.inputOutput)` where the disk fails. Traps for other images and sizes.
  public func write(_ image: Int, _ bytes: UnsafeRawBufferPointer, maker: UInt64) throws {
    check(image, bytes.count)
    try file.write(bytes, at: description.position(image))
    let record = EntryFormat.encoded(hash(image, bytes, maker)) + EntryFormat.littleEndian(maker)
    try record.withUnsafeBytes { try file.write($0, at: description.recordPosition(image)) }
  }

  /// Images that seem to be there.
  public func presentCount() throws -> Int { try (0..<description.count).count { try record($0) != nil } }

  private func record(_ image: Int) throws -> (hash: Hash128, maker: UInt64)? {
    var bytes = [UInt8](repeating: 0, count: EntryFormat.recordSize)
    try bytes.withUnsafeMutableBytes { try file.read(into: $0, at: description.recordPosition(image)) }
    guard bytes.contains(where: { $0 != 0 }) else { return nil }
    return (EntryFormat.decoded(bytes.prefix(16)), EntryFormat.number(bytes.suffix(8)))
  }

  /// Of the features, of their maker and of their place, so that another image's are damage.
  private func hash(_ image: Int, _ bytes: UnsafeRawBufferPointer, _ maker: UInt64) -> Hash128 {
    var stream = HashStream()
    EntryFormat.encoded(description.key).withUnsafeBytes { stream.append($0) }
    stream.append(number: image)
    EntryFormat.littleEndian(maker).withUnsafeBytes { stream.append($0) }
    stream.append(bytes)
    return stream.hash
  }

  private func check(_ image: Int, _ size: Int) {
    precondition(
      (0..<description.count).contains(image) && size == description.bytesPerImage,
      "\(size) bytes of image \(image) for an entry of \(description)")
  }
}
