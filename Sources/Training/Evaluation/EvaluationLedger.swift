import Diagnostics
import Evaluation
import Files
import Foundation
import Reporting

/// What is known of the tests of a job, on rank 0: read from the journal, and added to as results come in.
final class EvaluationLedger {
  let tests: [JobTest]
  /// Chunks of each test, ascending.
  private(set) var outcomes: [[ImageOutcomes]]
  private let journal: EvaluationJournal?
  /// Tests by identity: the same weights may have been named in two ways.
  private let places: [String: [Int]]
  /// Lines of the journal that count for nothing.
  let damagedLines: Int

  /// Takes up what the journal in `directory` says of these tests.
  init(_ tests: [JobTest], batchSize: Int, in directory: JobDirectory?) throws {
    self.tests = tests
    outcomes = tests.map { _ in [] }
    places = Dictionary(grouping: tests.indices) { tests[$0].identity }
    guard let file = directory?.url.appending(path: EvaluationJournal.name) else {
      (journal, damagedLines) = (nil, 0)
      return
    }
    let (entries, damaged) = try EvaluationJournal.read(file)
    damagedLines = damaged
    journal = try EvaluationJournal(appendingTo: file)
    for entry in entries {
      for test in places[entry.test] ?? [] { take(entry.outcomes, test, batchSize: batchSize) }
    }
  }

  /// Takes up a chunk of the journal unless it fits badly or some of its images are known already.
  private func take(_ chunk: ImageOutcomes, _ test: Int, batchSize: Int) {
    let count = tests[test].items.count
    guard (0..<count).contains(chunk.first) else { return }
    let range = chunk.range
    guard !range.isEmpty, range.upperBound <= count,
      range.lowerBound.isMultiple(of: batchSize),
      range.upperBound == count || range.upperBound.isMultiple(of: batchSize),
      chunk.fits(range, classCount: tests[test].classNames.count),
      outcomes[test].allSatisfy({ !$0.range.overlaps(range) })
    else { return }
    insert(chunk, test)
  }

  private func insert(_ chunk: ImageOutcomes, _ test: Int) {
    let place = outcomes[test].firstIndex { $0.first > chunk.first } ?? outcomes[test].endIndex
    outcomes[test].insert(chunk, at: place)
  }

  /// Images of a test that nothing is known of.
  func todo(_ test: Int) -> [Range<Int>] {
    var gaps: [Range<Int>] = []
    var end = 0
    for chunk in outcomes[test] {
      if chunk.first > end { gaps.append(end..<chunk.first) }
      end = chunk.range.upperBound
    }
    let count = tests[test].items.count
    return end < count ? gaps + [end..<count] : gaps
  }

  /// Notes what came of some images, on the disk first.
  func add(_ chunk: ImageOutcomes, to test: Int) throws {
    try journal?.append(EvaluationJournal.Entry(test: tests[test].identity, outcomes: chunk))
    for place in places[tests[test].identity]! { insert(chunk, place) }
    if todo(test).isEmpty { try journal?.synchronize() }
  }

  /// Images of a test that are known.
  func knownCount(_ test: Int) -> Int { outcomes[test].reduce(0) { $0 + $1.range.count } }

  /// Counts of what is known of a test.
  func counts(_ test: Int) -> TestCounts {
    var counts = TestCounts(classCount: tests[test].classNames.count)
    for chunk in outcomes[test] { counts.add(chunk, labels: tests[test].items[chunk.range].map(\.label)) }
    return counts
  }
}
