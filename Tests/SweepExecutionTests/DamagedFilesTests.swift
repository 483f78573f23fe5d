import Foundation
import TestSupport
import Testing

@testable import SweepExecution

/// Numbers that no sweep writes, in files that it reads back.
@Suite struct DamagedFilesTests {
  @Test func stepsBeyondCountingAreNoProgress() throws {
    let folder = try ScratchFolder()
    let lines = [
      #"{"step": 9223372036854775807, "epoch": 1}"#, #"{"step": -1, "epoch": 1}"#, #"{"step": 7, "epoch": 2}"#,
    ]
    try Data(lines.joined(separator: "\n").utf8).write(to: folder.file("metrics.jsonl"))
    let progress = try #require(TrialProgress(run: folder.url))
    #expect(progress.step == 8 && progress.epoch == 2 && progress.stepsPerEpoch == 3)
    #expect(progress.secondsLeft(of: .max) == 0, "steps took no time, so none is left")
  }

  @Test func aClaimAfterWhichThereIsNoNumberCountsForNothing() throws {
    let folder = try ScratchFolder()
    let claims = try ClaimFolder(in: folder.url)
    for name in ["a.9223372036854775807.json", "a.2.json", "b.0.json"] {
      try Data("{}".utf8).write(to: folder.file("claims/\(name)"))
    }
    #expect(try claims.numbers() == ["a": 2])
  }
}
