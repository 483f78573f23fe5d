import Foundation
import Tensors
import TestSupport
import Testing

@testable import ShardFiles

@Suite struct ShardRoundTripTests {
  /// Small frames, so that few elements make many.
  static let options = smallFrames()

  static func smallFrames(threads: Int = 1) -> ShardOptions {
    var options = ShardOptions(threads: threads)
    options.frameCount = 100
    return options
  }

  @Test(arguments: [0, 1, 2, 99, 100, 101, 250, 1000])
  func everyBitPatternComesBack(count: Int) throws {
    try withScratchFolder { folder in
      let base = Tensor(bits: WordCodingTests.words(count + 7, seed: 5))
      let values = Tensor(bits: WordCodingTests.words(count, seed: 6))
      let file = folder.appendingPathComponent("shard")
      let written = try ShardWriter.write(
        [
          ShardSource("parameters", start: 7, values, base: BaseValues(base)),
          ShardSource("momentum", start: 7, values),
        ],
        to: file, options: Self.options)
      let reader = try ShardReader(file, expecting: written)
      try reader.verifyHash()
      try reader.verifyFrames()
      for name in ["parameters", "momentum"] {
        let result = Tensor(repeating: -1, shape: [count])
        #expect(try reader.read(name, 7..<7 + count, into: result.buffer, base: BaseValues(base)) == count)
        #expect(result.bits == values.bits)
      }
    }
  }

  /// Near the base, differences are smaller; the same values without a base are written as planes.
  @Test func theSmallerEncodingIsChosen() throws {
    try withScratchFolder { folder in
      var generator = SplitMix(state: 7)
      let base = Tensor((0..<5000).map { _ in Float.random(in: -0.1...0.1, using: &generator) })
      let values = Tensor(base.array.map { $0 + Float.random(in: -1e-7...1e-7, using: &generator) })
      let unrelated = Tensor(bits: WordCodingTests.words(5000, seed: 8).map { _ in 0x3F80_0000 })
      let written = try ShardWriter.write(
        [
          ShardSource("near", start: 0, values, base: BaseValues(base)), ShardSource("alone", start: 0, values),
          ShardSource("far", start: 0, unrelated, base: BaseValues(base)),
        ], to: folder.appendingPathComponent("shard"))
      #expect(written.sections.map(\.encoding) == [.differencePlanes, .planes, .planes])
      let sizes = written.sections.map { $0.frames.reduce(0) { $0 + $1.byteCount } }
      #expect(sizes[0] < sizes[1] * 2 / 3)
    }
  }

  @Test func anyRangeCanBeRead() throws {
    try withScratchFolder { folder in
      let values = Tensor(bits: WordCodingTests.words(730, seed: 9))
      let base = Tensor(bits: WordCodingTests.words(1000, seed: 10))
      let file = folder.appendingPathComponent("shard")
      let parts = [(0, 0..<301), (500, 301..<302), (572, 302..<730)]
      let sources = parts.map {
        ShardSource("parameters", start: $0.0, values.slice($0.1), base: BaseValues(base))
      }
      let reader = try ShardReader(
        file, expecting: ShardWriter.write(sources, to: file, options: Self.options))
      var expected = [UInt32](repeating: 0, count: 1000)
      for (start, part) in parts {
        expected.replaceSubrange(start..<start + part.count, with: values.slice(part).bits)
      }
      for range in [0..<1000, 0..<0, 0..<1, 99..<101, 100..<200, 250..<650, 500..<501, 700..<1000, 350..<450] {
        let result = Tensor(zeros: [range.count])
        let found = try reader.read("parameters", range, into: result.buffer, base: BaseValues(base))
        #expect(result.bits == Array(expected[range]))
        #expect(found == sources.reduce(0) { $0 + ($1.start..<$1.start + $1.values.count).clamped(to: range).count })
      }
    }
  }

  @Test func theNumberOfThreadsDoesNotChangeTheFile() throws {
    try withScratchFolder { folder in
      let values = Tensor(bits: WordCodingTests.words(1234, seed: 11))
      let base = BaseValues(Tensor(bits: WordCodingTests.words(1234, seed: 12)))
      let contents = try [1, 2, 5].map { threads in
        let file = folder.appendingPathComponent("\(threads)")
        let description = try ShardWriter.write(
          [ShardSource("parameters", start: 0, values, base: base)], to: file,
          options: Self.smallFrames(threads: threads))
        return (description, try Data(contentsOf: file))
      }
      #expect(contents.allSatisfy { $0 == contents[0] })
    }
  }

  @Test func aFrameOfTheLargestSizeAndOneElementMore() throws {
    try withScratchFolder { folder in
      var generator = SplitMix(state: 13)
      let count = ShardFormat.largestFrame + 1
      let values = Tensor((0..<count).map { _ in Float.random(in: -1...1, using: &generator) })
      let file = folder.appendingPathComponent("shard")
      let written = try ShardWriter.write([ShardSource("momentum", start: 0, values)], to: file)
      #expect(written.sections[0].frames.map(\.count) == [count - 1, 1])
      let reader = try ShardReader(file, expecting: written)
      let result = Tensor(zeros: [3])
      try reader.read("momentum", count - 3..<count, into: result.buffer)
      #expect(result.bits == values.slice(count - 3..<count).bits)
    }
  }

  /// What docs/checkpoint-format.md promises to readers in other languages.
  @Test func theHeaderIsAFrameThatZstdSkips() {
    #expect(
      ShardFormat.header == [0x53, 0x2A, 0x4D, 0x18, 8, 0, 0, 0, 0x53, 0x4B, 0x54, 0x53, 1, 0, 0, 0])
  }

  @Test func differencesAreNotReadWithoutTheirBase() throws {
    try withScratchFolder { folder in
      let values = Tensor(repeating: 1.5, shape: [50])
      let base = Tensor(bits: WordCodingTests.words(50, seed: 14))
      let same = ShardSource("parameters", start: 0, base, base: BaseValues(base))
      let file = folder.appendingPathComponent("shard")
      let reader = try ShardReader(file, expecting: ShardWriter.write([same], to: file))
      let failure = failure { _ = try reader.read("parameters", 0..<50, into: values.buffer) }
      #expect(failure?.status == .usage)
      #expect(failure?.problem.contains("differences to the base weights") == true)
    }
  }
}

/// Known answers, and pieces.
@Suite struct Hash128Tests {
  @Test func knownAnswers() {
    #expect("\(Hash128(of: UnsafeRawBufferPointer(start: nil, count: 0)))" == "99aa06d3014798d86001c324468d497f")
    #expect("\(Array("skiptune".utf8).withUnsafeBytes { Hash128(of: $0) })" == "5b36057fe21b4809a5605d8546be1d26")
  }

  @Test func piecesDoNotMatter() {
    let bytes = (0..<5000).map { UInt8(truncatingIfNeeded: $0 &* 31) }
    var stream = HashStream()
    for start in stride(from: 0, to: bytes.count, by: 77) {
      bytes[start..<min(start + 77, bytes.count)].withUnsafeBytes { stream.append($0) }
    }
    #expect(stream.hash == bytes.withUnsafeBytes { Hash128(of: $0) })
  }

  @Test func textComesBackAndOtherTextIsRefused() {
    let hash = Hash128(high: 0x00FF, low: 0xABCD_0000_0000_0001)
    #expect("\(hash)" == "00000000000000ffabcd000000000001")
    #expect(Hash128(hexadecimal: "\(hash)") == hash)
    for text in [
      "", "\(hash)0", "0x000000000000ffabcd000000000001", "00000000000000FFABCD000000000001", "é" + "\(hash)",
    ] {
      #expect(Hash128(hexadecimal: text) == nil)
    }
  }
}
