import Files
import Foundation
import Reporting

/// Writes the results of a job, also while it goes on: what is not finished is labelled as partial.
final class JobWriter {
  /// Results of a job that goes on are written this often at most, unless a test is finished.
  private static let interval = Duration.seconds(10)

  private let plan: EvaluationPlan
  private let ledger: EvaluationLedger
  private let missing: [JobResults.Missing]
  private let directory: JobDirectory?
  private let results: (EvaluationLedger, [JobResults.Missing]) -> JobResults
  private var lastWrite = ContinuousClock.now

  init(
    _ plan: EvaluationPlan, _ ledger: EvaluationLedger, _ missing: [JobResults.Missing], _ directory: JobDirectory?,
    results: @escaping (EvaluationLedger, [JobResults.Missing]) -> JobResults
  ) {
    (self.plan, self.ledger, self.missing, self.directory) = (plan, ledger, missing, directory)
    self.results = results
  }

  /// Writes tables, JSON and predictions as far as they are asked for.
  @discardableResult
  func write() throws -> JobResults {
    let results = results(ledger, missing)
    if let directory {
      try AtomicFile.write(results.json(), to: directory.url.appending(path: "results.json"))
      try directory.write(results.dataTable.csv, to: "results.csv")
      try directory.write(results.table.markdown, to: "results.md")
      try directory.write(results.classTable.csv, to: "classes.csv")
      try directory.write(ledger.confusionTable(plan.weights).csv, to: "confusion.csv")
    }
    if let file = plan.predictions {
      try AtomicFile.write(Data(ledger.predictions(plan.weights).utf8), to: file)
    }
    lastWrite = .now
    return results
  }

  /// The same while the job goes on, now and then.
  func writeIfDue(isTestFinished: Bool) throws {
    guard directory != nil, isTestFinished || lastWrite.duration(to: .now) > Self.interval else { return }
    try write()
  }
}
