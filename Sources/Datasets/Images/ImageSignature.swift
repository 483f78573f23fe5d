/// What a file is, judged by its first bytes: names of image files in the wild lie.
enum ImageSignature: Equatable {
  case jpeg
  case png
  /// Something else that is recognised, as in "is a GIF".
  case other(String)
  case unknown

  /// Judges the first bytes of a file.
  init(of bytes: [UInt8]) {
    if Self.matches(bytes, [0xFF, 0xD8, 0xFF], at: 0) {
      self = .jpeg
    } else if Self.matches(bytes, [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A], at: 0) {
      self = .png
    } else if let name = Self.otherKinds.first(where: { Self.matches(bytes, $0.magic, at: $0.offset) })?.name {
      self = .other(name)
    } else {
      self = .unknown
    }
  }

  private struct Kind: Sendable {
    let magic: [UInt8]
    let offset: Int
    let name: String

    init(_ magic: String, at offset: Int = 0, _ name: String) {
      self.magic = Array(magic.utf8)
      self.offset = offset
      self.name = name
    }
  }

  /// What people hand over by mistake: other pictures, and what a failed download leaves behind.
  private static let otherKinds = [
    Kind("GIF87a", "a GIF"), Kind("GIF89a", "a GIF"),
    Kind("WEBP", at: 8, "a WebP image"),
    Kind("BM", "a BMP"),
    Kind("II*\0", "a TIFF"), Kind("MM\0*", "a TIFF"),
    Kind("ftypavif", at: 4, "an AVIF image"),
    Kind("ftyphei", at: 4, "a HEIF image"), Kind("ftypmif1", at: 4, "a HEIF image"),
    Kind("jP  \r\n", at: 4, "a JPEG 2000 image"),
    Kind("8BPS", "a Photoshop document"),
    Kind("P3\n", "a PPM"), Kind("P5\n", "a PGM"), Kind("P6\n", "a PPM"),
    Kind("%PDF", "a PDF"),
    Kind("PK\u{3}\u{4}", "a ZIP archive"),
    Kind("<svg", "an SVG drawing"), Kind("<?xml", "an XML document"),
    Kind("<!DOCTYPE", "a web page"), Kind("<!doctype", "a web page"), Kind("<html", "a web page"),
    Kind("version https://git-lfs", "a Git LFS pointer, not the file itself"),
  ]

  private static func matches(_ bytes: [UInt8], _ magic: [UInt8], at offset: Int) -> Bool {
    bytes.dropFirst(offset).prefix(magic.count).elementsEqual(magic)
  }
}
