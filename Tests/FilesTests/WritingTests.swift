import Diagnostics
import Files
import Foundation
import Testing

@Suite struct AtomicFileTests {
  @Test func anAtomicWriteReplacesAndLeavesNothingElse() throws {
    let folder = try TemporaryFolder()
    let file = folder.file("a.json")
    try AtomicFile.write(Data("old".utf8), to: file)
    try AtomicFile.write(Data(repeating: 0x61, count: 1 << 20), to: file)
    #expect(try Data(contentsOf: file) == Data(repeating: 0x61, count: 1 << 20))
    #expect(try folder.names() == ["a.json"])
  }

  @Test func piecesFollowEachOther() throws {
    let folder = try TemporaryFolder()
    try AtomicFile.replace(folder.file("a")) { file in
      for piece in ["one, ", "", "two"] {
        try Array(piece.utf8).withUnsafeBytes { try file.write($0) }
      }
      // Nobody sees it before it is whole.
      #expect(!FileManager.default.fileExists(atPath: folder.file("a").path))
    }
    #expect(try text(of: folder.file("a")) == "one, two")
  }

  @Test func aWriterThatFailsLeavesWhatWasThere() throws {
    let folder = try TemporaryFolder()
    let file = try folder.write("old", to: "a")
    #expect(throws: Interruption.self) {
      try AtomicFile.replace(file) { file in
        try [UInt8]("new".utf8).withUnsafeBytes { try file.write($0) }
        throw Interruption()
      }
    }
    #expect(try text(of: file) == "old")
    #expect(try folder.names() == ["a"])
  }

  @Test func anAtomicWriteThatFailsLeavesNothing() throws {
    let folder = try TemporaryFolder()
    // A folder with something in it cannot be replaced by a file.
    let file = folder.file("a.json")
    try FileManager.default.createDirectory(
      at: file.appendingPathComponent("x"), withIntermediateDirectories: true)
    let problem = failure { try AtomicFile.write(Data("new".utf8), to: file) }
    #expect(problem?.status == .cannotCreate && problem?.place == file.path)
    #expect(try folder.names() == ["a.json"])
    let missing = folder.file("none/a.json")
    #expect(
      failure { try AtomicFile.write(Data(), to: missing) }
        == Failure(
          .cannotCreate, at: missing.path, "the file cannot be created: No such file or directory",
          remedy: "create the folder first"))
  }

  @Test func aFullDiskIsNamedAndLeavesWhatWasThere() async throws {
    await #expect(processExitsWith: .success) {
      let folder = try TemporaryFolder()
      let file = try folder.write("old", to: "a")
      limitFileSizes()
      let problem = failure { try AtomicFile.write(Data(count: 8192), to: file) }
      precondition(
        problem?.status == .inputOutput && problem?.place == file.path,
        "\(String(describing: problem))")
      let (names, content) = (try folder.names(), try text(of: file))
      precondition(names == ["a"] && content == "old", "\(names) is left")
    }
  }
}

@Suite struct AtomicFolderTests {
  @Test func aFolderAppearsWhenItIsFilled() throws {
    let folder = try TemporaryFolder()
    let target = folder.file("model")
    try AtomicFolder.create(target) { aside in
      try AtomicFile.write(Data("1".utf8), to: aside.appendingPathComponent("a"))
      #expect(!FileManager.default.fileExists(atPath: target.path))
    }
    #expect(try text(of: target.appendingPathComponent("a")) == "1")
    #expect(try folder.names() == ["model"])
  }

  @Test func aFillerThatFailsLeavesNothing() throws {
    let folder = try TemporaryFolder()
    #expect(throws: Interruption.self) {
      try AtomicFolder.create(folder.file("model")) { aside in
        try AtomicFile.write(Data("1".utf8), to: aside.appendingPathComponent("a"))
        throw Interruption()
      }
    }
    #expect(try folder.names() == [])
  }

  @Test func whatIsThereIsNotTouched() throws {
    let folder = try TemporaryFolder()
    let fill = { (aside: URL) in
      try AtomicFile.write(Data("new".utf8), to: aside.appendingPathComponent("a"))
    }
    let full = folder.file("model")
    try FileManager.default.createDirectory(at: full, withIntermediateDirectories: true)
    try Data("old".utf8).write(to: full.appendingPathComponent("a"))
    let file = try folder.write("old", to: "file")
    for taken in [full, file] {
      let problem = failure { try AtomicFolder.create(taken, fill) }
      #expect(problem?.status == .cannotCreate && problem?.place == taken.path)
    }
    #expect(try text(of: full.appendingPathComponent("a")) == "old")
    #expect(try text(of: file) == "old")
    #expect(try folder.names() == ["file", "model"])
    let missing = folder.file("none/model")
    #expect(failure { try AtomicFolder.create(missing, fill) }?.remedy == "create the folder first")
  }
}

@Suite struct LineFileTests {
  @Test func linesAreAppendedAndThereAtOnce() throws {
    let folder = try TemporaryFolder()
    let file = folder.file("log")
    for line in ["one", "two"] {
      let log = try LineFile(appendingTo: file)
      try log.append(line)
      #expect(try text(of: file).hasSuffix("\(line)\n"))
      try log.synchronize()
    }
    #expect(try text(of: file) == "one\ntwo\n")
  }

  @Test func aLineCutOffByACrashIsEnded() throws {
    let folder = try TemporaryFolder()
    let file = try folder.write("one\ntw", to: "log")
    try LineFile(appendingTo: file).append("three")
    #expect(try text(of: file) == "one\ntw\nthree\n")
  }

  @Test func aFullDiskIsAnError() throws {
    guard FileManager.default.isWritableFile(atPath: "/dev/full") else { return }
    let log = try LineFile(appendingTo: URL(fileURLWithPath: "/dev/full"))
    let failure = failure { try log.append("x") }
    #expect(failure?.status == .inputOutput)
    #expect(
      failure?.description
        == "/dev/full: writing failed: No space left on device; free some space on that disk")
    // There is nothing to wait for on a device.
    try log.synchronize()
  }
}
