import Diagnostics
import Files
import Foundation

/// `events.out.tfevents.*`: what TensorBoard reads.
///
/// A record reaches the kernel in one piece, so that a killed run leaves whole ones. A run that goes on writes a new file,
/// after what it will tell again was cut off from the ones before: no reader sees a step twice.
public final class EventFile: Sendable {
  private static let prefix = "events.out.tfevents."
  /// Largest file that is read back; a step takes some hundred bytes.
  private static let largest = 4 << 30

  private let file: Descriptor

  /// A new file in `folder` of a run that tells of `step` next.
  ///
  /// Throws `Failure`: `.cannotCreate` where the folder takes no file, `.inputOutput` where reading or writing fails.
  public init(in folder: URL, from step: Int) throws {
    let earlier = try Self.files(in: folder)
    try earlier.forEach { try Self.truncate($0, fromStep: step) }
    // TensorBoard reads files in the order of their names, whatever the clock of this host says.
    let newest = earlier.compactMap { Self.second(of: $0) }.max() ?? 0
    let second = max(Int(Date().timeIntervalSince1970), newest + 1)
    let name = "\(Self.prefix)\(second).\(Self.hostName).\(getpid()).0"
    let path = folder.appending(path: name).path
    file = try Descriptor.creating(path, knownAs: path)
    try append(.version, step: 0)
    try append(.start, step: step)
  }

  /// Appends an event of now.
  ///
  /// Throws `Failure(.inputOutput)`, for example when the disk is full.
  public func append(_ content: Event.Content, step: Int) throws {
    let event = Event(time: Date().timeIntervalSince1970, step: step, content)
    try EventRecords.record(event.message.bytes).withUnsafeBytes { try file.write($0) }
  }

  /// Waits until everything appended is on the disk.
  ///
  /// Throws `Failure(.inputOutput)`.
  public func synchronize() throws { try file.synchronizeWherePossible() }

  // MARK: Earlier files

  /// Event files of a folder, in the order in which they were begun.
  static func files(in folder: URL) throws -> [URL] {
    do {
      return try FileManager.default.contentsOfDirectory(atPath: folder.path)
        .filter { $0.hasPrefix(prefix) }.sorted().map { folder.appending(path: $0) }
    } catch {
      throw Failure(.cannotCreate, at: folder.path, "is not a folder that can be read", remedy: "check its permissions")
    }
  }

  /// Cuts off everything from the first event of `step` or a later one on, and what is not whole.
  static func truncate(_ file: URL, fromStep step: Int) throws {
    let bytes = try SmallFile.bytes(of: file, limit: largest, what: "the event file", remedy: "move it away")
    var end = 0
    for (index, content) in EventRecords.contents(bytes).enumerated() {
      // The first says what kind of file it is, under step 0.
      guard index == 0 || Event.step(of: content) < step else { break }
      end = EventRecords.end(of: content)
    }
    if end < bytes.count { try AtomicFile.write(Array(bytes[..<end]), to: file) }
  }

  private static func second(of file: URL) -> Int? {
    Int(file.lastPathComponent.dropFirst(prefix.count).prefix { $0 != "." })
  }

  /// As far as it may be part of a name.
  private static var hostName: String {
    let name = ProcessInfo.processInfo.hostName.filter { $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "-") }
    return name.isEmpty ? "host" : name
  }
}
