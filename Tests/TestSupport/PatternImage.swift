import Foundation
import Tensors

/// Striped pictures: direction, width and colour of the stripes tell the class, phase and noise the picture.
public enum PatternImage {
  /// Pixels of a picture, whose sides differ so that cropping matters.
  public static let (width, height) = (44, 36)

  /// A PNG of class `label`, the same for the same two numbers.
  public static func png(label: Int, number: Int) -> Data {
    var random = CounterRandom(seed: UInt64(label * 1000 + number), stream: 7)
    let angle = Float(label) * 0.31
    let frequency = 0.25 + 0.08 * Float(label % 4)
    let phase = Float(6.28 * random.uniform())
    var pixels: [UInt8] = []
    for y in 0..<height {
      for x in 0..<width {
        let wave = sinf(frequency * (Float(x) * cosf(angle) + Float(y) * sinf(angle)) + phase)
        for channel in 0..<3 {
          let tint: Float = (label + channel) % 3 == 0 ? 100 : 30
          pixels.append(UInt8(max(0, min(255, 128 + tint * wave + 30 * Float(random.uniform() - 0.5)))))
        }
      }
    }
    return encode(pixels, width: width, height: height)
  }

  /// An RGB PNG without compression.
  private static func encode(_ pixels: [UInt8], width: Int, height: Int) -> Data {
    var header = bigEndian(UInt32(width)) + bigEndian(UInt32(height))
    header += [8, 2, 0, 0, 0]  // 8 bits, RGB, the only compression and filter methods, no interlace.
    var rows: [UInt8] = []
    for start in stride(from: 0, to: pixels.count, by: width * 3) {
      rows.append(0)  // No filter.
      rows += pixels[start..<start + width * 3]
    }
    let signature: [UInt8] = [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A]
    return Data([signature, chunk("IHDR", header), chunk("IDAT", stored(rows)), chunk("IEND", [])].joined())
  }

  /// A zlib stream of stored blocks.
  private static func stored(_ bytes: [UInt8]) -> [UInt8] {
    var stream: [UInt8] = [0x78, 0x01]
    for start in stride(from: 0, to: bytes.count, by: 0xFFFF) {
      let block = bytes[start..<min(start + 0xFFFF, bytes.count)]
      let length = UInt16(block.count)
      stream.append(start + block.count == bytes.count ? 1 : 0)
      stream += [UInt8(length & 0xFF), UInt8(length >> 8), UInt8(~length & 0xFF), UInt8(~length >> 8)]
      stream += block
    }
    var (low, high): (UInt32, UInt32) = (1, 0)  // Adler-32
    for byte in bytes {
      low = (low + UInt32(byte)) % 65521
      high = (high + low) % 65521
    }
    return stream + bigEndian(high << 16 | low)
  }

  private static func chunk(_ name: String, _ body: [UInt8]) -> [UInt8] {
    let named = Array(name.utf8) + body
    return bigEndian(UInt32(body.count)) + named + bigEndian(checksum(named))
  }

  /// CRC-32 as PNG has it.
  private static func checksum(_ bytes: [UInt8]) -> UInt32 {
    var remainder = UInt32.max
    for byte in bytes {
      remainder ^= UInt32(byte)
      for _ in 0..<8 { remainder = remainder >> 1 ^ (remainder & 1 == 1 ? 0xEDB8_8320 : 0) }
    }
    return ~remainder
  }

  private static func bigEndian(_ number: UInt32) -> [UInt8] { withUnsafeBytes(of: number.bigEndian, Array.init) }
}
