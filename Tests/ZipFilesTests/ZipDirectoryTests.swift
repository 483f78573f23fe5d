import Diagnostics
import Files
import Foundation
import TestSupport
import Testing

@testable import ZipFiles

/// On files that PyTorch and Python wrote: Tests/Reference/weights_goldens.py.
@Suite struct ZipDirectoryTests {
  static func bytes(_ name: String) throws -> Data { try Data(contentsOf: Goldens.url("weights/archives/\(name)")) }

  static func read(_ data: Data, in folder: URL) throws -> [String: ZipDirectory.Member] {
    let url = folder.appendingPathComponent("test.zip")
    try data.write(to: url)
    return try ZipDirectory(of: Descriptor.reading(url.path)).members
  }

  @Test func membersAndTheirContent() throws {
    let file = try Descriptor.reading(Goldens.url("weights/archives/tensors.pt").path)
    let members = try ZipDirectory(of: file).members
    #expect(members["tensors/byteorder"].flatMap { try? $0.content(in: file, limit: 6) } == Array("little".utf8))
    for member in members.values { try member.verify(in: file) }
    #expect(failure { _ = try members["tensors/byteorder"]!.content(in: file, limit: 5) }?.status == .badData)
  }

  /// PyTorch writes both forms of the directory; with the small one saturated the large one counts.
  @Test func zip64() throws {
    try withScratchFolder { folder in
      var data = try Self.bytes("tensors.pt")
      let plain = try Self.read(data, in: folder)
      let end = data.count - 22
      data.replaceSubrange(end + 8..<end + 20, with: [UInt8](repeating: 0xff, count: 12))
      #expect(try Self.read(data, in: folder) == plain)
      data[end - 20] ^= 1
      let lost = failure { _ = try Self.read(data, in: folder) }
      #expect(lost?.problem.contains("zip64 directory is missing") == true)
    }
  }

  @Test func aCommentAtTheEndIsPassedOver() throws {
    try withScratchFolder { folder in
      var data = try Self.bytes("tensors.pt")
      let plain = try Self.read(data, in: folder)
      data[data.count - 2] = 5
      #expect(try Self.read(data + Data("PK\u{5}\u{6}!".utf8), in: folder) == plain)
    }
  }

  @Test func compressedMembersAreListedButNotRead() throws {
    let file = try Descriptor.reading(Goldens.url("weights/archives/deflated.pt").path)
    let member = try #require(try ZipDirectory(of: file).members["tensors/data.pkl"])
    #expect(member.range == nil)
    #expect(failure { try member.verify(in: file) }?.problem.contains("compressed") == true)
  }

  @Test func everyTruncationIsRefused() throws {
    try withScratchFolder { folder in
      let data = try Self.bytes("no-tensors.pt")
      for count in 0..<data.count {
        let refusal = failure { _ = try Self.read(data.prefix(count), in: folder) }
        #expect(refusal?.status == .badData, "\(count) bytes")
      }
    }
  }
}

@Suite struct GzipTests {
  @Test func whatPythonPacked() throws {
    let packed = Array(try Data(contentsOf: Goldens.url("weights/bpe_simple_vocab_16e6.txt.gz")))
    #expect(Gzip.isCompressed(packed))
    let text = String(decoding: try Gzip.unpacked(packed, limit: 1000, name: "x"), as: UTF8.self)
    #expect(text.hasPrefix("\"bpe_simple_vocab_16e6.txt#version: 0.2\nt h\n") && text.hasSuffix("o u\n"))
    #expect(failure { _ = try Gzip.unpacked(packed, limit: text.utf8.count - 1, name: "x") }?.status == .badData)
    for count in 0..<packed.count {
      let refusal = failure { _ = try Gzip.unpacked(Array(packed[..<count]), limit: 1000, name: "x") }
      #expect(refusal?.status == .badData, "\(count) bytes")
    }
    #expect(failure { _ = try Gzip.unpacked(packed + [0], limit: 1000, name: "x") }?.status == .badData)
  }
}
