import CZstd
import Diagnostics

extension ShardDescription {
  /// Refuses descriptions that no writer makes: sizes that overflow, frames that are too large, overlap, leave gaps or lie
  /// outside the file.
  ///
  /// After it, all arithmetic on the description is safe, and no frame needs more memory than 2^20 elements take. Throws
  /// `Failure(.badData)` at `place`.
  public func check(at place: String) throws {
    func refuse(_ problem: String) -> Failure {
      Failure(.badData, at: place, problem, remedy: "the manifest is damaged; use another checkpoint")
    }
    guard byteCount >= ShardFormat.header.count else { throw refuse("a shard of \(byteCount) bytes has no header") }
    var position = ShardFormat.header.count
    for section in sections {
      let name = "section \(quoted(section.name))"
      guard section.start >= 0, section.count >= 0, section.start <= Int.max - section.count else {
        throw refuse("\(name) has \(section.count) elements from element \(section.start) on")
      }
      var elements = 0
      for frame in section.frames {
        guard (1...ShardFormat.largestFrame).contains(frame.count) else {
          throw refuse("\(name) has a frame of \(frame.count) elements; 1 to \(ShardFormat.largestFrame) are allowed")
        }
        guard frame.offset == position else {
          throw refuse("\(name) has a frame at byte \(frame.offset) where byte \(position) must follow")
        }
        guard (1...FrameSize.largest(frame.count)).contains(frame.byteCount), frame.byteCount <= byteCount - position
        else { throw refuse("\(name) has a frame of \(frame.byteCount) bytes for \(frame.count) elements") }
        position += frame.byteCount
        // Each frame takes a byte of the file or more, so this stays far below overflow.
        elements += frame.count
      }
      guard elements == section.count else {
        throw refuse("\(name) has \(section.count) elements, but its frames hold \(elements)")
      }
    }
    guard position == byteCount else {
      throw refuse("the frames end at byte \(position), but the shard has \(byteCount) bytes")
    }
  }
}

enum FrameSize {
  /// Bytes that a frame of so many elements has at most.
  static func largest(_ count: Int) -> Int { ZSTD_compressBound(count * ShardFormat.elementSize) }
}
