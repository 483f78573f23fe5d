import Diagnostics
import Foundation
import Testing

@testable import Datasets

@Suite struct ImageDecoderTests {
  /// PNG is lossless and must be exact.
  ///
  /// So is JPEG with the libjpeg-turbo releases of 2.x and 3.x, whose default inverse
  /// transform and upsampling are bit-exact; 1 grey level is left to another release's chroma upsampling.
  @Test(arguments: ImageGoldens.shared.names)
  func pixelsArePillows(name: String) throws {
    let goldens = ImageGoldens.shared
    let bytes = goldens.bytes(name)
    let expected = goldens.image(goldens.index.decoded[name]!)
    let image = try ImageDecoder.decode(bytes, name: name)
    try #require(image.width == expected.width && image.height == expected.height)
    #expect(image.difference(from: expected).largest <= (ImageSignature(of: bytes) == .jpeg ? 1 : 0))
  }

  /// 16-bit grey is where skiptune leaves Pillow, which clips: the golden's high bytes must not be mostly white.
  @Test func deepGreyKeepsItsHighByte() throws {
    let image = try ImageDecoder.decode(contentsOf: ImageGoldens.shared.url("grey16.png"))
    #expect(image.pixels.count { $0 == 255 } < image.pixels.count / 4)
  }

  @Test(arguments: [
    ("gif.jpg", "is a GIF"), ("webp.jpg", "is a WebP image"), ("bmp.png", "is a BMP"), ("tiff.png", "is a TIFF"),
  ])
  func otherFormatsAreNamed(name: String, words: String) {
    let failure = #expect(throws: Failure.self) {
      try ImageDecoder.decode(contentsOf: ImageGoldens.shared.url(name))
    }
    #expect(failure?.status == .badData)
    #expect(failure?.place?.hasSuffix(name) == true)
    #expect(failure?.problem == "\(words); skiptune reads JPEG and PNG")
  }

  @Test(arguments: [
    ("", "the file is empty"), ("hello, world", "is neither a JPEG nor a PNG, whatever its name says"),
    ("<!DOCTYPE html><html>", "is a web page; skiptune reads JPEG and PNG"),
  ])
  func textIsNoImage(content: String, problem: String) {
    let failure = #expect(throws: Failure.self) { try ImageDecoder.decode(Array(content.utf8), name: "a.jpg") }
    #expect(failure?.description.hasPrefix("a.jpg: \(problem)") == true)
  }

  @Test func hugeImagesAreRefusedByTheirHeader() {
    let failure = #expect(throws: Failure.self) {
      try ImageDecoder.decode(contentsOf: ImageGoldens.shared.url("bomb.png"))
    }
    #expect(failure?.status == .badData)
    #expect(failure?.problem.contains("60000 x 60000") == true)
  }

  @Test(arguments: ["ycbcr_420.jpg", "progressive_420.jpg", "rgb8.png"])
  func thePixelLimitIsInclusive(name: String) throws {
    let goldens = ImageGoldens.shared
    let place = goldens.index.decoded[name]!
    let count = place.width * place.height
    #expect(throws: Never.self) { try ImageDecoder.decode(goldens.bytes(name), name: name, pixelLimit: count) }
    #expect(throws: Failure.self) { try ImageDecoder.decode(goldens.bytes(name), name: name, pixelLimit: count - 1) }
  }

  @Test func missingFilesAreNamed() {
    let failure = #expect(throws: Failure.self) {
      try ImageDecoder.decode(contentsOf: ImageGoldens.shared.url("nobody.jpg"))
    }
    #expect(failure?.status == .missingInput)
    #expect(failure?.place?.hasSuffix("nobody.jpg") == true)
  }

  @Test func foldersAndPipesAreNotRead() throws {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString)
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    let pipe = folder.appendingPathComponent("pipe.jpg")
    try #require(mkfifo(pipe.path, 0o600) == 0)
    for url in [folder, pipe] {
      let failure = #expect(throws: Failure.self) { try ImageDecoder.decode(contentsOf: url) }
      #expect(failure?.status == .inputOutput)
      #expect(failure?.place == url.path)
    }
  }
}
