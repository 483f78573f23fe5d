import Evaluation
import Foundation
import TestSupport
import Testing

@testable import Training

/// What a journal gives back after any kind of end.
@Suite struct EvaluationJournalTests {
  private func entry(_ first: Int) throws -> EvaluationJournal.Entry {
    let json =
      #"{"first":\#(first),"ranked":[[0,1],[]],"confidences":[7,0],"skipped":[{"index":\#(first + 1),"problem":"a \"b\""}]}"#
    return EvaluationJournal.Entry(
      test: "abc", outcomes: try JSONDecoder().decode(ImageOutcomes.self, from: Data(json.utf8)))
  }

  private func firsts(_ file: URL) throws -> [Int] { try EvaluationJournal.read(file).entries.map(\.outcomes.first) }

  @Test func whatWasWrittenIsRead() throws {
    let scratch = try ScratchFolder()
    let file = scratch.file("journal.jsonl")
    #expect(try EvaluationJournal.read(file).entries.isEmpty)
    let journal = try EvaluationJournal(appendingTo: file)
    for first in [4, 0, 2] { try journal.append(try entry(first)) }
    let (entries, damaged) = try EvaluationJournal.read(file)
    #expect(entries.map(\.outcomes) == (try [4, 0, 2].map { try entry($0).outcomes }) && damaged == 0)
    #expect(entries.allSatisfy { $0.test == "abc" })
  }

  /// Cut off at any byte: all lines before are there, and what is appended afterwards too.
  @Test func aTornLineCountsForNothing() throws {
    let scratch = try ScratchFolder()
    let file = scratch.file("journal.jsonl")
    let journal = try EvaluationJournal(appendingTo: file)
    for first in [0, 2] { try journal.append(try entry(first)) }
    let whole = try Data(contentsOf: file)
    let lineEnd = try #require(whole.firstIndex(of: 10))
    for length in stride(from: lineEnd + 1, to: whole.count, by: 7) {
      try whole.prefix(length).write(to: file)
      let isWhole = length == whole.count - 1
      #expect(try firsts(file) == (isWhole ? [0, 2] : [0]), "\(length) bytes")
      try EvaluationJournal(appendingTo: file).append(try entry(8))
      #expect(try firsts(file) == (isWhole ? [0, 2, 8] : [0, 8]), "\(length) bytes")
    }
  }

  /// A byte that has changed anywhere costs its line and no other.
  @Test func aDamagedLineCountsForNothing() throws {
    let scratch = try ScratchFolder()
    let file = scratch.file("journal.jsonl")
    let journal = try EvaluationJournal(appendingTo: file)
    for first in [0, 2, 4] { try journal.append(try entry(first)) }
    let whole = try Data(contentsOf: file)
    let length = whole.count / 3
    for place in stride(from: length, to: 2 * length - 1, by: 5) {
      var bytes = whole
      bytes[place] = bytes[place] == UInt8(ascii: "7") ? UInt8(ascii: "8") : UInt8(ascii: "7")
      try bytes.write(to: file)
      let (entries, damaged) = try EvaluationJournal.read(file)
      #expect(entries.map(\.outcomes.first) == [0, 4] && damaged == 1, "byte \(place)")
    }
  }
}
