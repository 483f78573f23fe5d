import CImageShims
import Diagnostics
import Foundation

/// Turns JPEG and PNG files into RGB, with the pixels of Pillow's `Image.open(file).convert("RGB")`.
///
/// The format is judged by content, never by name. Alpha is dropped rather than composited, a palette is looked up, inks
/// (CMYK, YCCK) are multiplied with black, embedded colour profiles, gamma and EXIF orientation are not applied. One
/// difference is deliberate: a 16-bit grey PNG gives the high byte of each sample, as 16-bit colour does in both
/// programs, where Pillow clips every sample above 255 to white.
public enum ImageDecoder {
  /// Pixels above which an image is refused before memory for it is taken (Pillow's limit against decompression bombs).
  public static let defaultPixelLimit = 178_956_970

  /// Columns and rows above which an image is refused.
  public static let sideLimit = 1_000_000

  /// Decodes a file in memory.
  ///
  /// `name` stands in messages only. Throws `Failure` with `.badData` when the bytes are no JPEG or PNG, are damaged or
  /// cut off, or describe more than `pixelLimit` pixels.
  public static func decode(
    _ bytes: [UInt8], name: String, pixelLimit: Int = defaultPixelLimit
  ) throws -> RGBImage {
    let format: ImageFormat
    switch ImageSignature(of: bytes) {
    case .jpeg: format = IMAGE_FORMAT_JPEG
    case .png: format = IMAGE_FORMAT_PNG
    case .other(let kind):
      throw Failure(.badData, at: name, "is \(kind); skiptune reads JPEG and PNG", remedy: "convert it")
    case .unknown:
      let problem = bytes.isEmpty ? "the file is empty" : "is neither a JPEG nor a PNG, whatever its name says"
      throw Failure(.badData, at: name, problem, remedy: "replace the file")
    }
    let limits = ImageLimits(pixels: Int64(pixelLimit), side: Int64(sideLimit))
    return try bytes.withUnsafeBufferPointer { try decode($0, format, limits, name: name) }
  }

  /// Decodes a file.
  ///
  /// Throws as `decode(_:name:pixelLimit:)`, and `.missingInput` or `.inputOutput` when there is no file
  /// or it cannot be read.
  public static func decode(contentsOf url: URL) throws -> RGBImage {
    try decode(ImageFile.read(url), name: url.path)
  }

  private static func decode(
    _ bytes: UnsafeBufferPointer<UInt8>, _ format: ImageFormat, _ limits: ImageLimits, name: String
  ) throws -> RGBImage {
    try withUnsafeTemporaryAllocation(of: CChar.self, capacity: 256) { message in
      message.initialize(repeating: 0)
      func check(_ status: ImageStatus) throws {
        guard status != IMAGE_OK else { return }
        throw failure(status, String(cString: message.baseAddress!), format, name: name)
      }
      var reader: OpaquePointer?
      try check(
        image_reader_open(bytes.baseAddress, bytes.count, format, limits, message.baseAddress, message.count, &reader))
      defer { image_reader_close(reader) }
      let width = Int(image_reader_width(reader))
      let height = Int(image_reader_height(reader))
      let count = 3 * width * height
      let pixels = try [UInt8](unsafeUninitializedCapacity: count) { buffer, initializedCount in
        try check(image_reader_read(reader, buffer.baseAddress))
        initializedCount = count
      }
      return RGBImage(width: width, height: height, pixels: pixels)
    }
  }

  private static func failure(_ status: ImageStatus, _ text: String, _ format: ImageFormat, name: String) -> Failure {
    let kind = format == IMAGE_FORMAT_JPEG ? "JPEG" : "PNG"
    switch status {
    case IMAGE_TRUNCATED:
      return Failure(.badData, at: name, "the \(kind) is truncated: \(text)", remedy: "replace the file")
    case IMAGE_TOO_LARGE:
      return Failure(.badData, at: name, text, remedy: "scale it down")
    case IMAGE_UNSUPPORTED:
      return Failure(.badData, at: name, text, remedy: "convert it to RGB")
    case IMAGE_OUT_OF_MEMORY:
      return Failure(.inputOutput, at: name, "there is not enough memory to decode the \(kind)")
    default:
      return Failure(.badData, at: name, "the \(kind) cannot be decoded: \(text)", remedy: "replace the file")
    }
  }
}
