import CXXHash
import Diagnostics
import Files
import Foundation
import Tensors
import TestSupport
import Testing

@testable import ShardFiles

/// Shards and descriptions that are not what a writer made: refused, whatever it is, and nothing read beyond bounds.
@Suite struct ShardDamageTests {
  private struct Sample {
    let file: URL
    let bytes: [UInt8]
    let description: ShardDescription
  }

  private static func withSample<T>(_ body: (Sample) throws -> T) throws -> T {
    try withScratchFolder { folder in
      let file = folder.appendingPathComponent("shard")
      let base = Tensor((0..<90).map { Float($0) / 7 })
      let values = Tensor(base.array.map { $0.nextUp })
      var options = ShardOptions()
      options.frameCount = 40
      let description = try ShardWriter.write(
        [
          ShardSource("parameters", start: 0, values, base: BaseValues(base)),
          ShardSource("momentum", start: 0, values),
        ],
        to: file, options: options)
      return try body(Sample(file: file, bytes: Array(try Data(contentsOf: file)), description: description))
    }
  }

  private static func verify(_ file: URL, _ description: ShardDescription) throws {
    let reader = try ShardReader(file, expecting: description)
    try reader.verifyHash()
    try reader.verifyFrames()
  }

  @Test func everyFlippedByteIsFound() throws {
    try Self.withSample { sample in
      for index in sample.bytes.indices {
        for mask: UInt8 in [0x01, 0x80, 0xFF] {
          var bytes = sample.bytes
          bytes[index] ^= mask
          try Data(bytes).write(to: sample.file)
          let failure = failure { try Self.verify(sample.file, sample.description) }
          #expect(failure?.status == .badData, "byte \(index)")
          #expect(failure?.place == sample.file.path)
        }
      }
    }
  }

  @Test func everyLengthButTheRightOneIsFound() throws {
    try Self.withSample { sample in
      for length in sample.bytes.indices {
        try Data(sample.bytes[..<length]).write(to: sample.file)
        let failure = failure { try Self.verify(sample.file, sample.description) }
        #expect(failure?.status == .badData)
        #expect(failure?.problem.contains("\(length) bytes instead of \(sample.bytes.count)") == true)
      }
      try Data(sample.bytes + [0]).write(to: sample.file)
      #expect(failure { try Self.verify(sample.file, sample.description) }?.status == .badData)
    }
  }

  /// The zstd checksum alone, without the hash: reading a range does not hash the file again.
  @Test func flippedFramesDoNotDecodeToOtherValues() throws {
    try Self.withSample { sample in
      let base = BaseValues(Tensor((0..<90).map { Float($0) / 7 }))
      func read() throws -> [UInt32] {
        let reader = try ShardReader(sample.file, expecting: sample.description)
        let result = Tensor(zeros: [180])
        try reader.read("parameters", 0..<90, into: result.slice(0..<90).buffer, base: base)
        try reader.read("momentum", 0..<90, into: result.slice(90..<180).buffer)
        return result.bits
      }
      let right = try read()
      for index in sample.bytes.indices.dropFirst(ShardFormat.header.count) {
        for bit in 0..<8 {
          var bytes = sample.bytes
          bytes[index] ^= 1 << bit
          try Data(bytes).write(to: sample.file)
          // A bit of a frame's header may be unused; then the values are right.
          if let values = try? read() { #expect(values == right, "byte \(index), bit \(bit)") }
        }
      }
    }
  }

  @Test func aMissingFileIsNamed() throws {
    try Self.withSample { sample in
      try FileManager.default.removeItem(at: sample.file)
      let failure = failure { try Self.verify(sample.file, sample.description) }
      #expect(failure?.status == .missingInput)
      #expect(failure?.place == sample.file.path)
    }
  }

  /// Each number of a description set to edges in turn, the hash made right where there is one to make.
  @Test func descriptionsThatPromiseTheImpossibleAreRefused() throws {
    try Self.withSample { sample in
      let petabyte = 1 << 50
      let edges = [-1, Int.min, Int.max, Int.max - 3, petabyte, 1 << 31, 1 << 20, 0]
      typealias Change = (inout ShardDescription, Int) -> Void
      let changes: [(String, Change)] = [
        ("bytes", { $0.byteCount = $1 }), ("start", { $0.sections[0].start = $1 }),
        ("count", { $0.sections[0].count = $1 }), ("frame offset", { $0.sections[0].frames[1].offset = $1 }),
        ("frame bytes", { $0.sections[0].frames[1].byteCount = $1 }),
        ("frame count", { $0.sections[0].frames[1].count = $1 }),
        (
          "counts that agree",
          {
            $0.sections[0].frames[1].count = $1
            $0.sections[0].count = $0.sections[0].frames.reduce(0) { $0 &+ $1.count }
          }
        ),
        (
          "sizes that agree",
          {
            let (former, size) = ($0.sections[1].frames[2].byteCount, $1)
            $0.sections[1].frames[2].byteCount = size
            $0.byteCount = $0.byteCount &+ size &- former
          }
        ),
      ]
      for (name, change) in changes {
        for edge in edges {
          var description = sample.description
          change(&description, edge)
          let failure = failure { try Self.verify(sample.file, description) }
          // The first element of a section may be anywhere: the manifest decides whether that fits.
          let isHarmless = name == "start" && (0...Int.max - 90).contains(edge)
          #expect((failure?.status == .badData) != isHarmless, "\(name) \(edge): \(failure?.description ?? "accepted")")
        }
      }
    }
  }

  /// A frame that expands to far more than it should, with all sizes and hashes right: a decompression bomb.
  @Test func framesThatHoldMoreThanTheySayAreRefused() throws {
    try withScratchFolder { folder in
      let file = folder.appendingPathComponent("bomb")
      var description = try ShardWriter.write(
        [ShardSource("momentum", start: 0, Tensor(zeros: [1 << 20]))], to: file)
      description.sections[0].frames[0].count = 1000
      description.sections[0].count = 1000
      let reader = try ShardReader(file, expecting: description)
      let result = Tensor(repeating: 5, shape: [1000])
      let failure = failure { _ = try reader.read("momentum", 0..<1000, into: result.buffer) }
      #expect(failure?.problem.contains("another size") == true)
      #expect(result.array == Array(repeating: 5, count: 1000))
    }
  }

  @Test func aFileThatIsThereAlreadyIsNotOverwritten() throws {
    try Self.withSample { sample in
      let failure = failure { _ = try ShardWriter.write([], to: sample.file) }
      #expect(failure?.status == .cannotCreate)
      let bytes = try Data(contentsOf: sample.file)
      #expect(Array(bytes) == sample.bytes)
    }
  }

  @Test func errorsOfBaseValuesSurface() throws {
    try withScratchFolder { folder in
      struct Lost: Error {}
      let values = Tensor(bits: WordCodingTests.words(200, seed: 15))
      let base = BaseValues { range, buffer in
        if range.lowerBound >= 80 { throw Lost() }
        _ = buffer.update(fromContentsOf: values.buffer[range])
      }
      var options = ShardOptions(threads: 3)
      options.frameCount = 40
      #expect(throws: Lost.self) {
        try ShardWriter.write(
          [ShardSource("parameters", start: 0, values, base: base)],
          to: folder.appendingPathComponent("shard"), options: options)
      }
    }
  }
}
