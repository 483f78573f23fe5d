import Diagnostics
import Tensors
import Testing

@testable import Datasets

/// Damaged files give an error of theirs or an image of the stated size, and never end the process.
@Suite struct ImageDamageTests {
  /// A flipped byte of a header may promise a large image; the time is better spent on many small ones.
  private static let pixelLimit = 1 << 18

  /// True when an image came out; traps or an error of another kind fail the test.
  @discardableResult
  private func decodes(_ bytes: [UInt8]) throws -> Bool {
    do {
      let image = try ImageDecoder.decode(bytes, name: "damaged", pixelLimit: Self.pixelLimit)
      #expect(image.pixels.count == 3 * image.width * image.height)
      return true
    } catch let failure as Failure {
      #expect(failure.status == .badData && failure.place == "damaged")
      return false
    }
  }

  @Test(arguments: ImageGoldens.shared.names)
  func truncatedFiles(name: String) throws {
    let bytes = ImageGoldens.shared.bytes(name)
    let isPNG = ImageSignature(of: bytes) == .png
    // A PNG whose pixels are complete is accepted without its closing chunk (12 bytes, after 4 of a CRC).
    let tail = isPNG ? 16 : 0
    for length in lengths(bytes.count) {
      let image = try decodes(Array(bytes.prefix(length)))
      if length < bytes.count - tail - 8 { #expect(!image, "\(length) of \(bytes.count) bytes") }
      if !isPNG { #expect(!image, "\(length) of \(bytes.count) bytes") }
    }
  }

  /// The first 40, the last 40 and 60 lengths between.
  private func lengths(_ count: Int) -> [Int] {
    Array(0..<min(40, count))
      + stride(from: 40, to: max(41, count - 40), by: max(1, count / 60)).map { min($0, count - 1) }
      + Array(max(0, count - 40)..<count)
  }

  @Test(arguments: ImageGoldens.shared.names)
  func flippedBytes(name: String) throws {
    let bytes = ImageGoldens.shared.bytes(name)
    for trial in 0..<120 {
      var random = CounterRandom(seed: 11, stream: UInt32(trial))
      var damaged = bytes
      for _ in 0...random.integer(below: 4) {
        damaged[random.integer(below: bytes.count)] = UInt8(random.integer(below: 256))
      }
      try decodes(damaged)
    }
  }

  /// Checksums stop most damage at the door; with them repaired it reaches the inflater and the filters.
  @Test(arguments: ImageGoldens.shared.names.filter { $0.hasSuffix(".png") && $0 != "jpeg_named.png" })
  func flippedBytesUnderValidChecksums(name: String) throws {
    let bytes = ImageGoldens.shared.bytes(name)
    for trial in 0..<120 {
      var random = CounterRandom(seed: 12, stream: UInt32(trial))
      var damaged = bytes
      damaged[8 + random.integer(below: bytes.count - 8)] = UInt8(random.integer(below: 256))
      repairChecksums(&damaged)
      try decodes(damaged)
    }
  }

  @Test func checksumRepairRestoresAFile() {
    let bytes = ImageGoldens.shared.bytes("rgb8.png")
    var copy = bytes
    copy[29] ^= 0xFF  // The first byte of the header's checksum.
    repairChecksums(&copy)
    #expect(copy == bytes)
  }

  private func repairChecksums(_ bytes: inout [UInt8]) {
    var start = 8
    while start + 12 <= bytes.count {
      let length = bytes[start..<start + 4].reduce(0) { $0 << 8 | Int($1) }
      let end = start + 8 + length
      guard end + 4 <= bytes.count else { return }
      let checksum = crc32(bytes[start + 4..<end])
      for i in 0..<4 { bytes[end + i] = UInt8(truncatingIfNeeded: checksum >> (24 - 8 * UInt32(i))) }
      start = end + 4
    }
  }

  private func crc32(_ bytes: ArraySlice<UInt8>) -> UInt32 {
    ~bytes.reduce(~0) { crc, byte in
      (0..<8).reduce(crc ^ UInt32(byte)) { value, _ in value & 1 == 1 ? value >> 1 ^ 0xEDB8_8320 : value >> 1 }
    }
  }
}
