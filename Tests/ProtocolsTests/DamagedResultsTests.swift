import Diagnostics
import Foundation
import TestSupport
import Testing

@testable import Protocols

@Suite struct DamagedResultsTests {
  @Test(arguments: [(4, 3, true), (0, 0, true), (-1, 0, false), (4, 5, false), (4, -1, false), (1 << 50, 0, false)])
  func countsOfImagesAreJudged(images: Int, correct: Int, isWhole: Bool) throws {
    let folder = try ScratchFolder()
    let scores = #"{"scores": {"all": {"images": \#(images), "correct": \#(correct)}}}"#
    try Data(#"{"version": "1", "dataset": "D", "tuned": \#(scores)}"#.utf8).write(to: folder.file("results.json"))
    let read = Result { try StoredResult(contentsOf: folder.file("results.json")) }
    switch read {
    case .success(let result): #expect(isWhole && result.tuned["all"]?.images == images)
    case .failure(let error): #expect(!isWhole && (error as? Failure)?.status == .badData)
    }
  }
}
