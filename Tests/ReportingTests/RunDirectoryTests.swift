import Diagnostics
import Foundation
import Reporting
import Testing

@Suite struct RunDirectoryTests {
  /// The names in a folder.
  func names(_ folder: URL) throws -> [String] {
    try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted()
  }

  @Test func aFreshRunMakesItsTree() throws {
    try withTemporaryFolder { folder in
      let url = folder.appendingPathComponent("runs/base/caltech101/seed1")
      let run = try RunDirectory(claiming: url)
      try run.writeAtomically(Data("{}".utf8), "results.json")
      #expect(try text(of: run.file("results.json")) == "{}")
      #expect(!RunDirectory.isCompleted(url))
      try run.complete("3 epochs")
      #expect(RunDirectory.isCompleted(url))
      #expect(try names(url) == [".skiptune-run", "COMPLETED", "results.json"])
      #expect(try text(of: run.file("COMPLETED")) == "3 epochs\n")
    }
  }

  @Test(arguments: RunDirectory.EarlierRun.allCases) func aFinishedRunIsNeverTouched(earlier: RunDirectory.EarlierRun)
    throws
  {
    try withTemporaryFolder { folder in
      do {
        let run = try RunDirectory(claiming: folder)
        try run.writeAtomically(Data("1".utf8), "results.json")
        try run.complete()
      }
      #expect(
        failure { _ = try RunDirectory(claiming: folder, earlier: earlier) }
          == Failure(
            .cannotCreate, at: folder.path, "this run is finished (it holds COMPLETED) and is never overwritten",
            remedy: "give another --run-dir, or move the folder away"))
      #expect(try names(folder) == [".skiptune-run", "COMPLETED", "results.json"])
    }
  }

  @Test func anUnfinishedRunIsMovedAsideAgainAndAgain() throws {
    try withTemporaryFolder { folder in
      for attempt in 1...3 {
        let run = try RunDirectory(claiming: folder)
        try run.writeAtomically(Data("\(attempt)".utf8), "metrics.jsonl")
        try FileManager.default.createDirectory(at: run.file("checkpoints"), withIntermediateDirectories: false)
      }
      #expect(try names(folder) == [".skiptune-run", "checkpoints", "metrics.jsonl", "previous-1", "previous-2"])
      #expect(try text(of: folder.appendingPathComponent("previous-1/metrics.jsonl")) == "1")
      #expect(try text(of: folder.appendingPathComponent("previous-2/metrics.jsonl")) == "2")
      #expect(try names(folder.appendingPathComponent("previous-2")) == ["checkpoints", "metrics.jsonl"])
    }
  }

  @Test func anUnfinishedRunCanBeKeptOrRefused() throws {
    try withTemporaryFolder { folder in
      do { try RunDirectory(claiming: folder).writeAtomically(Data("1".utf8), "metrics.jsonl") }
      #expect(
        failure { _ = try RunDirectory(claiming: folder, earlier: .refuse) }?.problem
          == "an earlier run is here that did not finish")
      let run = try RunDirectory(claiming: folder, earlier: .keep)
      #expect(try names(run.url) == [".skiptune-run", "metrics.jsonl"])
    }
  }

  @Test func aRunThatLeftNothingIsFresh() throws {
    try withTemporaryFolder { folder in
      do { _ = try RunDirectory(claiming: folder) }
      _ = try RunDirectory(claiming: folder, earlier: .refuse)
      #expect(try names(folder) == [".skiptune-run"])
    }
  }

  @Test func aFolderWithOtherThingsIsRefusedUntouched() throws {
    try withTemporaryFolder { folder in
      try write("mine", to: folder.appendingPathComponent("thesis.tex"))
      #expect(
        failure { _ = try RunDirectory(claiming: folder) }
          == Failure(
            .cannotCreate, at: folder.path, "the folder holds files that are not of a skiptune run, such as thesis.tex",
            remedy: "give an empty or new --run-dir"))
      #expect(try names(folder) == ["thesis.tex"])
    }
  }

  @Test func aRunInProgressIsRefused() throws {
    try withTemporaryFolder { folder in
      let run = try RunDirectory(claiming: folder)
      #expect(failure { _ = try RunDirectory(claiming: folder) }?.problem == "another process works on this run")
      #expect(failure { _ = try RunDirectory(claiming: folder) }?.status == .cannotCreate)
      try run.complete()
    }
  }

  @Test func aFileInTheWayIsReported() throws {
    try withTemporaryFolder { folder in
      let file = folder.appendingPathComponent("file")
      try write("", to: file)
      // No closure inside #expect here: Swift 6.3 runs it in place of the next closure when both are in a third one.
      let itself = failure { _ = try RunDirectory(claiming: file) }
      #expect(itself?.status == .cannotCreate)
      let below = failure { _ = try RunDirectory(claiming: file.appendingPathComponent("run")) }
      #expect(below?.place == file.path + "/run")
      #expect(below?.status == .cannotCreate)
      #expect(below?.problem == "the run directory cannot be created: Not a directory")
    }
  }
}
