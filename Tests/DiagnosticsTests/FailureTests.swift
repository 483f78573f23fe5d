import Testing

@testable import Diagnostics

@Suite struct FailureTests {
  @Test func aFailureIsOneLine() {
    let failure = Failure(.badData, at: "a.json", "label 3\nis missing", remedy: "add it")
    #expect(failure.description == "a.json: label 3 is missing; add it")
  }

  @Test func namesOutOfAFileDoNothingToATerminal() {
    let failure = Failure(.badData, at: "a.json", "the class \u{1b}[2J\u{9b}2J\0 é\u{301}", remedy: "add it")
    #expect(failure.description == "a.json: the class \\u{1B}[2J\\u{009B}2J\\0 é\u{301}; add it")
  }

  @Test func aProblemThatQuotesVeryMuchIsCut() {
    let failure = Failure(.badData, at: "a.json", String(repeating: "x", count: 100_000), remedy: "add it")
    #expect(failure.description == "a.json: " + String(repeating: "x", count: 1500) + "…; add it")
  }

  @Test(arguments: [("start_layr", "start_layer"), ("lamda", "lambda"), ("zzz", nil), ("cp", "cap")])
  func misspeltWordsFindTheirNeighbour(word: String, expected: String?) {
    #expect(nearestMatch(to: word, among: ["start_layer", "lambda", "cap", "ratio"]) == expected)
  }

  @Test(arguments: [("kitten", "sitting", 3), ("", "abc", 3), ("abc", "abc", 0)])
  func editDistanceCountsEdits(left: String, right: String, distance: Int) {
    #expect(editDistance(left, right) == distance)
  }
}
