import CImageShims
import Diagnostics
import Foundation

/// Small pictures for people to look at.
public enum Thumbnail {
  /// A PNG of an image, scaled down where a side has more than `side` pixels.
  ///
  /// Throws as `ImageDecoder.decode(contentsOf:)`.
  public static func png(of file: URL, side: Int) throws -> Data {
    try png(scaled(try ImageDecoder.decode(contentsOf: file), side: side))
  }

  /// A picture as a PNG.
  ///
  /// Throws `Failure(.inputOutput)` where there is no memory for it.
  public static func png(_ image: RGBImage) throws -> Data {
    var count = 0
    guard let bytes = image_png_write(image.pixels, Int32(image.width), Int32(image.height), &count) else {
      throw Failure(.inputOutput, "there is not enough memory to encode a PNG")
    }
    defer { free(bytes) }
    return Data(bytes: bytes, count: count)
  }

  /// The picture, with no side longer than `side` pixels.
  static func scaled(_ image: RGBImage, side: Int) -> RGBImage {
    let longer = max(image.width, image.height)
    guard longer > side else { return image }
    let width = max(1, image.width * side / longer)
    let height = max(1, image.height * side / longer)
    let whole = PixelBox(left: 0, top: 0, width: image.width, height: image.height)
    return Resampling(box: whole, width: width, height: height, columns: 0..<width, rows: 0..<height)(image).image
  }
}

extension BytePlanes {
  /// The planes as interleaved pixels.
  fileprivate var image: RGBImage {
    var pixels: [UInt8] = []
    pixels.reserveCapacity(3 * width * height)
    for row in 0..<height {
      for column in 0..<width {
        for plane in 0..<3 { pixels.append(bytes[(plane * height + row) * stride + column]) }
      }
    }
    return RGBImage(width: width, height: height, pixels: pixels)
  }
}
