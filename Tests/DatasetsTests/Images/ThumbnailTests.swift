import Foundation
import TestSupport
import Testing

@testable import Datasets

/// Pillow reads what is written here in Tests/Reference/check_report.py.
@Suite struct ThumbnailTests {
  @Test(arguments: [(1, 1), (7, 3), (80, 80), (300, 2)]) func aPNGHoldsThePixels(width: Int, height: Int) throws {
    let image = Self.image(width, height)
    let png = try Thumbnail.png(image)
    #expect(try ImageDecoder.decode(Array(png), name: "png") == image)
  }

  @Test(arguments: [(160, 40, 80, 20), (40, 160, 20, 80), (1000, 3, 80, 1), (81, 81, 80, 80), (80, 9, 80, 9)])
  func noSideIsLonger(width: Int, height: Int, newWidth: Int, newHeight: Int) throws {
    let scaled = Thumbnail.scaled(Self.image(width, height), side: 80)
    #expect(scaled.width == newWidth && scaled.height == newHeight)
  }

  @Test func aScaledPlaneOfOneColourKeepsIt() {
    let image = RGBImage(width: 200, height: 100, pixels: (0..<20_000).flatMap { _ in [200, 100, 50] as [UInt8] })
    let scaled = Thumbnail.scaled(image, side: 80)
    #expect(scaled.pixels == (0..<80 * 40).flatMap { _ in [200, 100, 50] as [UInt8] })
  }

  private static func image(_ width: Int, _ height: Int) -> RGBImage {
    RGBImage(width: width, height: height, pixels: (0..<3 * width * height).map { UInt8(truncatingIfNeeded: $0 &* 37) })
  }
}
