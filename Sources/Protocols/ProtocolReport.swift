import Diagnostics
import Foundation
import Reporting

/// What came of a protocol: tables of all that is there, and what failed.
public struct ProtocolReport: Sendable {
  /// Of the protocol, its settings and its runs in order.
  let plan: ProtocolPlan
  /// By job, of those that failed the last time.
  let failures: [ProtocolPlan.Job: Failure]
  private let tables: ProtocolTables

  init(
    _ plan: ProtocolPlan, finished: Set<ProtocolPlan.Job>, failures: [ProtocolPlan.Job: Failure],
    _ published: PublishedResults?
  ) throws {
    self.plan = plan
    self.failures = failures
    tables = ProtocolTables(try ProtocolResults(plan, finished: finished), published)
  }

  /// The table for a terminal, and what its columns are.
  public var text: String { tables.summary.terminal + "\n\(tables.caption)\n" }

  /// Writes `<protocol>.csv`, `-statistics.csv`, `-cost.csv` and `.md`.
  func write(to directory: JobDirectory) throws {
    let name = plan.kind.rawValue
    try directory.write(tables.csv.csv, to: "\(name).csv")
    try directory.write(tables.statisticsCSV.csv, to: "\(name)-statistics.csv")
    try directory.write(tables.costCSV.csv, to: "\(name)-cost.csv")
    try directory.write("\(tables.summary.markdown)\n\(tables.caption)\n", to: "\(name).md")
  }

  /// What to end with where runs failed: the first run's status, and a word on each.
  public var failure: Failure? {
    let failed = plan.jobs.filter { failures[$0] != nil }
    guard let first = failed.first, let cause = failures[first] else { return nil }
    let others = failed.dropFirst().map { "; also \(plan.words($0))" }.joined()
    return Failure(
      cause.status, at: cause.place,
      "\(failed.count) of \(plan.jobs.count) runs failed: \(plan.words(first)): \(cause.problem)\(others)",
      remedy: (cause.remedy.map { $0 + ", and " } ?? "") + "start the same command again: finished runs stay")
  }
}
