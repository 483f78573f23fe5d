/// A picture in memory: rows from top to bottom, pixels from left to right, three bytes each.
public struct RGBImage: Sendable, Equatable {
  /// Pixels in a row.
  public let width: Int
  /// Rows.
  public let height: Int
  /// Interleaved red, green and blue, `[height, width, 3]`.
  public let pixels: [UInt8]

  /// A picture of `pixels`, `[height, width, 3]`.
  ///
  /// Traps when their number does not match.
  public init(width: Int, height: Int, pixels: [UInt8]) {
    precondition(
      width > 0 && height > 0 && pixels.count == 3 * width * height,
      "\(pixels.count) bytes are not \(width) x \(height) RGB pixels")
    self.width = width
    self.height = height
    self.pixels = pixels
  }
}

/// A rectangle of whole pixels.
public struct PixelBox: Sendable, Equatable {
  /// First column.
  public var left: Int
  /// First row.
  public var top: Int
  /// Columns.
  public var width: Int
  /// Rows.
  public var height: Int

  /// The rectangle with the given corner and extent, in pixels.
  public init(left: Int, top: Int, width: Int, height: Int) {
    self.left = left
    self.top = top
    self.width = width
    self.height = height
  }
}
