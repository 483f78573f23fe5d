import CKernels
import CZstd
import Diagnostics

/// Calls into zstd that may fail.
enum Zstd {
  /// Passes a result on, or throws zstd's words for it.
  static func check(_ result: Int, _ call: StaticString, _ status: ExitStatus, at place: String) throws -> Int {
    guard ZSTD_isError(result) == 0 else {
      throw Failure(status, at: place, "\(call) failed: \(String(cString: ZSTD_getErrorName(result)))")
    }
    return result
  }
}

/// Words and bytes of one frame; a coder's working memory.
private struct FrameMemory: ~Copyable {
  /// Differences, or joined words.
  let words = UnsafeMutablePointer<UInt32>.allocate(capacity: ShardFormat.largestFrame)
  let base = UnsafeMutablePointer<Float>.allocate(capacity: ShardFormat.largestFrame)
  let planes = UnsafeMutablePointer<UInt8>.allocate(capacity: ShardFormat.largestFrame * ShardFormat.elementSize)
  let compressed: UnsafeMutableRawBufferPointer = .allocate(
    byteCount: FrameSize.largest(ShardFormat.largestFrame), alignment: 64)

  deinit {
    words.deallocate()
    base.deallocate()
    planes.deallocate()
    compressed.deallocate()
  }

  /// The base values of a range, as words.
  func words(of values: BaseValues, _ range: Range<Int>) throws -> UnsafePointer<UInt32> {
    try values.read(range, UnsafeMutableBufferPointer(start: base, count: range.count))
    return UnsafeRawPointer(base).assumingMemoryBound(to: UInt32.self)
  }
}

/// Makes frames, one at a time; about 17 MB.
final class FrameEncoder: @unchecked Sendable {  // Used by one thread at a time.
  private let context: OpaquePointer
  private let memory = FrameMemory()

  init(level: Int) throws {
    guard let context = ZSTD_createCCtx() else { throw Failure(.internalError, "out of memory for zstd") }
    self.context = context
    for (parameter, value) in [(ZSTD_c_compressionLevel, Int32(level)), (ZSTD_c_checksumFlag, 1)] {
      _ = try Zstd.check(
        ZSTD_CCtx_setParameter(context, parameter, value), "ZSTD_CCtx_setParameter", .internalError,
        at: "level \(level)")
    }
  }

  deinit { ZSTD_freeCCtx(context) }

  /// The compressed frame of `range` of a vector; valid until the next call.
  func encode(
    _ values: UnsafePointer<Float>, _ range: Range<Int>, _ encoding: ShardEncoding, base: BaseValues?
  ) throws -> UnsafeRawBufferPointer {
    var words = UnsafeRawPointer(values).assumingMemoryBound(to: UInt32.self)
    if encoding == .differencePlanes {
      guard let base else { preconditionFailure("differences need base values") }
      skt_difference(memory.words, words, try memory.words(of: base, range), range.count)
      words = UnsafePointer(memory.words)
    }
    skt_split_planes(memory.planes, words, range.count)
    let size = try Zstd.check(
      ZSTD_compress2(
        context, memory.compressed.baseAddress, memory.compressed.count, memory.planes,
        range.count * ShardFormat.elementSize),
      "ZSTD_compress2", .internalError, at: "\(range.count) elements")
    return UnsafeRawBufferPointer(rebasing: memory.compressed[..<size])
  }
}

/// Reads frames, one at a time; about 17 MB.
final class FrameDecoder {
  private let context: OpaquePointer
  private let memory = FrameMemory()
  private let place: String
  /// Where the frame begins that is decompressed.
  private(set) var held: Int?

  /// `place` is the file that failures name.
  init(place: String) throws {
    guard let context = ZSTD_createDCtx() else { throw Failure(.internalError, "out of memory for zstd") }
    self.context = context
    self.place = place
  }

  deinit { ZSTD_freeDCtx(context) }

  /// Where the bytes of a frame are read into.
  func input(_ frame: ShardFrame) -> UnsafeMutableRawBufferPointer {
    UnsafeMutableRawBufferPointer(rebasing: memory.compressed[..<frame.byteCount])
  }

  /// Decompresses the frame in `input`.
  ///
  /// Throws `Failure(.badData)` where it is not exactly one frame of the promised size with a right checksum.
  func decompress(_ frame: ShardFrame) throws {
    let size = frame.count * ShardFormat.elementSize
    let input = memory.compressed.baseAddress
    held = nil
    let length = try Zstd.check(
      ZSTD_findFrameCompressedSize(input, frame.byteCount), "ZSTD_findFrameCompressedSize", .badData, at: place)
    guard length == frame.byteCount, ZSTD_getFrameContentSize(input, frame.byteCount) == UInt64(size) else {
      throw Failure(.badData, at: place, "the frame at byte \(frame.offset) has another size than the manifest says")
    }
    let decoded = try Zstd.check(
      ZSTD_decompressDCtx(context, memory.planes, size, input, frame.byteCount), "ZSTD_decompressDCtx", .badData,
      at: place)
    guard decoded == size else {
      throw Failure(.badData, at: place, "the frame at byte \(frame.offset) ends too early")
    }
    held = frame.offset
  }

  /// Copies elements of the decompressed frame: `part` counts from its first, `range` is the same in the vector.
  func copy(
    _ part: Range<Int>, of frame: ShardFrame, _ range: Range<Int>, _ encoding: ShardEncoding, base: BaseValues?,
    to destination: UnsafeMutablePointer<Float>
  ) throws {
    skt_join_planes(memory.words, memory.planes + part.lowerBound, frame.count, part.count)
    if encoding == .differencePlanes {
      guard let base else {
        throw Failure(
          .usage, at: place, "the values are stored as differences to the base weights, which are not given",
          remedy: "name the base model")
      }
      skt_undo_difference(memory.words, try memory.words(of: base, range), part.count)
    }
    UnsafeMutableRawPointer(destination)
      .copyMemory(from: memory.words, byteCount: part.count * ShardFormat.elementSize)
  }
}
