import Diagnostics
import Files
import Foundation
import Testing

@Suite struct ReadingTests {
  @Test(arguments: ["", "x", String(repeating: "line\n", count: 100_000)])
  func aFileIsReadWhole(text: String) throws {
    let folder = try TemporaryFolder()
    let file = try folder.write(text, to: "a")
    #expect(try SmallFile.bytes(of: file, limit: text.utf8.count) == Array(text.utf8))
  }

  @Test func linksAreFollowed() throws {
    let folder = try TemporaryFolder()
    _ = try folder.write("content", to: "a")
    #expect(symlink("a", folder.file("link").path) == 0)
    #expect(try SmallFile.bytes(of: folder.file("link"), limit: 100) == Array("content".utf8))
  }

  @Test func whatIsNotThereIsNamed() throws {
    let folder = try TemporaryFolder()
    let file = try folder.write("", to: "a")
    for missing in [folder.file("none"), file.appendingPathComponent("below")] {
      let problem = failure {
        _ = try SmallFile.bytes(of: missing, limit: 1, what: "the list", remedy: "write one")
      }
      #expect(
        problem
          == Failure(
            .missingInput, at: missing.path, "the list does not exist", remedy: "write one"))
    }
  }

  @Test func foldersAndPipesAreNotRead() throws {
    let folder = try TemporaryFolder()
    let pipe = folder.file("pipe")
    #expect(mkfifo(pipe.path, 0o600) == 0)
    for other in [folder.url, pipe] {
      let problem = failure { _ = try SmallFile.bytes(of: other, limit: 1) }
      #expect(problem?.status == .badData && problem?.place == other.path)
      #expect(problem?.problem == "the file must be a regular file")
    }
  }

  @Test(arguments: [(1, "1 bytes"), (5 << 20, "5 MiB")])
  func aLongFileIsRefused(limit: Int, words: String) throws {
    let folder = try TemporaryFolder()
    let file = try folder.write("", to: "a")
    #expect(truncate(file.path, off_t(limit)) == 0)
    #expect(try SmallFile.bytes(of: file, limit: limit).count == limit)
    #expect(truncate(file.path, off_t(limit + 1)) == 0)
    let problem = failure { _ = try SmallFile.bytes(of: file, limit: limit, what: "the list") }
    #expect(problem?.status == .badData && problem?.place == file.path)
    #expect(problem?.problem == "the list has \(limit + 1) bytes; it may have at most \(words)")
  }

  @Test func partsAreReadAtTheirPosition() throws {
    let folder = try TemporaryFolder()
    let file = try Descriptor.reading(folder.write("0123456789", to: "a").path)
    var part = [UInt8](repeating: 0, count: 3)
    for start in [7, 0, 4] {
      try part.withUnsafeMutableBytes { try file.read(into: $0, at: start) }
      #expect(part == (start..<start + 3).map { UInt8(ascii: "0") + UInt8($0) })
    }
    #expect(try file.size() == 10)
  }

  @Test func aFileCutWhileOpenFails() throws {
    let folder = try TemporaryFolder()
    let url = try folder.write("0123456789", to: "a")
    let file = try Descriptor.reading(url.path)
    #expect(truncate(url.path, 5) == 0)
    var part = [UInt8](repeating: 0, count: 3)
    try part.withUnsafeMutableBytes { try file.read(into: $0, at: 2) }
    var problem: Failure?
    do { try part.withUnsafeMutableBytes { try file.read(into: $0, at: 3) } } catch let error
      as Failure
    { problem = error }
    #expect(problem?.status == .inputOutput && problem?.problem.contains("became shorter") == true)
  }
}
