import Diagnostics
import Files
import Foundation
import Testing

/// Files without a name.
@Suite struct ScratchFileTests {
  @Test func whatIsWrittenAnywhereIsReadThere() throws {
    let folder = try TemporaryFolder()
    let file = try Descriptor.scratch(in: folder.url, size: 1000, what: "the scratch file")
    #expect(try folder.names().isEmpty)
    let size = try file.size()
    #expect(size == 1000)
    var bytes = [UInt8](repeating: 9, count: 10)
    try bytes.withUnsafeMutableBytes { try file.read(into: $0, at: 500) }
    #expect(bytes == Array(repeating: 0, count: 10))
    try [1 as UInt8, 2, 3].withUnsafeBytes { try file.write($0, at: 503) }
    try bytes.withUnsafeMutableBytes { try file.read(into: $0, at: 500) }
    #expect(bytes == [0, 0, 0, 1, 2, 3, 0, 0, 0, 0])
    try [4 as UInt8, 5].withUnsafeBytes { try file.write($0, at: 998) }
    try bytes.withUnsafeMutableBytes { try file.read(into: $0, at: 990) }
    #expect(bytes == [0, 0, 0, 0, 0, 0, 0, 0, 4, 5])
    let free = try file.freeBytes()
    #expect(free > 0)
  }

  @Test func aFolderThatTakesNoneIsAFailure() throws {
    let folder = try TemporaryFolder()
    for path in [folder.file("nowhere"), URL(fileURLWithPath: "/proc")] {
      let failure = #expect(throws: Failure.self) {
        _ = try Descriptor.scratch(in: path, size: 1, what: "the scratch file")
      }
      #expect(failure?.status == .cannotCreate && failure?.place == path.path)
    }
    let failure = #expect(throws: Failure.self) {
      _ = try Descriptor.scratch(in: folder.url, size: 1 << 60, what: "the scratch file")
    }
    #expect(failure?.status == .inputOutput && failure?.problem.contains("no room for the scratch file") == true)
    #expect(try folder.names().isEmpty)
  }
}
